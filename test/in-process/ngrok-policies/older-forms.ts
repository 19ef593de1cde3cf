// Policies in the forms of earlier years, for each of which the relay names the current form.

import type { PolicyCase } from './policy-case.ts'

export const OLDER_FORMS: readonly PolicyCase[] = [
  {
    name: 'inbound and outbound',
    policy: `
inbound:
  - expressions: ["req.Method == 'POST'"]
    actions: [{ type: deny, config: { status_code: 405 } }]
outbound:
  - actions: [{ type: add-headers, config: { headers: { x-out: "yes" } } }]
`,
    remarks: [
      /^inbound: is the older name of on_http_request; write that$/,
      /^outbound: is the older name of on_http_response/,
      /^inbound\[0\]\.expressions\[0\]: req\.Method is an older name; write req\.method/,
    ],
    visits: [
      ['GET /', { status: 200, headers: { 'x-out': 'yes' } }],
      ['POST /', 405, { body: 'x' }],
    ],
  },
  {
    name: 'JSON with enabled',
    policy: '{"enabled": true, "inbound": [{"name": "all", "expressions": [], "actions": [{"type": "deny"}]}]}',
    remarks: [/^enabled: is an older form; remove it/, /^inbound: /],
    visits: [['GET /', 403]],
  },
  {
    name: 'enabled: false is no policy',
    policy: '{"enabled": false, "inbound": [{"actions": [{"type": "deny"}]}]}',
    remarks: [/^enabled: is an older form; false means no policy/],
    visits: [['GET /', 200]],
  },
  {
    name: 'content of custom-response',
    policy: `
on_http_request:
  - actions: [{ type: custom-response, config: { status_code: 404, content: "no \${req.Path}", headers: { content-type: text/plain } } }]
`,
    remarks: [
      /config\.content: is the older name of body/,
      /config\.content: req\.Path is an older name; write req\.url\.path/,
    ],
    visits: [['GET /x', { status: 404, body: 'no /x', headers: { 'content-type': 'text/plain' } }]],
  },
  {
    name: 'variables of 2024 in requests',
    policy: `
on_http_request:
  - expressions:
      - "inCidrRange(conn.ClientIP, '127.0.0.0/8') && req.Host.endsWith('.localhost') && req.Protocol == 'HTTP/1.1'"
      - "'a' in req.Params && req.Params['a'][0] == 'b' && req.URL.contains('/x') && req.ContentLength == 1"
      - "'X-A' in req.Headers && req.Headers['X-A'][0] == '1'"
    actions: [{ type: custom-response, config: { body: all of them } }]
`,
    remarks: [
      /conn\.ClientIP is an older name; write conn\.client_ip/,
      /req\.Host is an older name; write req\.host/,
      /req\.Protocol is an older name; write req\.version/,
      /req\.Params is an older name; write req\.url\.query_params/,
      /req\.Params is an older name/,
      /req\.URL is an older name; write req\.url/,
      /req\.ContentLength is an older name; write req\.content_length/,
      /an exchange without a is refused here/,
      /an exchange without Content-Length is refused here/,
      /req\.Headers is an older name; write req\.headers/,
      /req\.Headers is an older name/,
      /an exchange without x-a is refused here/,
    ],
    visits: [
      ['POST /x?a=b', { status: 200, body: 'all of them', app: false }, { body: '1', headers: { 'x-a': '1' } }],
      ['POST /x?a=c', 200, { body: '1', headers: { 'x-a': '1' } }],
    ],
  },
  {
    name: 'variables of 2024 in answers, of which the status was a text',
    policy: `
on_http_response:
  - expressions: ["res.StatusCode == '404'", "'X-App' in res.Headers"]
    actions: [{ type: custom-response, config: { status_code: 410, body: gone } }]
`,
    remarks: [/res\.StatusCode is an older name; write res\.status_code/, /res\.Headers is an older name/],
    visits: [
      ['GET /status/404', { status: 410, body: 'gone', app: true }],
      ['GET /', 200],
    ],
  },
  {
    name: 'cookies of 2024, which were a list',
    policy: `
on_http_request:
  - expressions: ["req.Cookies.exists(c, c.name == 'a' && c.value == '1')"]
    actions: [{ type: deny }]
`,
    remarks: [/req\.Cookies is an older name/],
    visits: [
      ['GET /', 403, { headers: { cookie: 'b=2; a=1' } }],
      ['GET /', 200, { headers: { cookie: 'a=2' } }],
    ],
  },
  {
    name: 'words of nginx in the targets of rewrites and redirects',
    policy: `
on_http_request:
  - expressions: [req.url.path.startsWith('/old/')]
    actions: [{ type: redirect, config: { from: ".*/old/([^?]*).*", to: "$scheme://new.example.com/$1$is_args$args" } }]
  - actions: [{ type: url-rewrite, config: { from: ".*", to: "/front?id=$arg_id&path=$uri" } }]
`,
    remarks: [
      /^on_http_request\[0\]\.actions\[0\]\.config\.to: \$scheme is an older word; write \$\{req\.url\.scheme\}$/,
      /\$is_args is an older word; write \$\{req\.url\.query == '' \? '' : '\?'\}/,
      /\$args is an older word; write \$\{req\.url\.query\}/,
      /actions\[0\]\.config\.to: \$arg_id is an older word; write \$\{hasQueryParam\('id'\)/,
      /\$uri is an older word; write \$\{req\.url\.path\}/,
    ],
    visits: [
      ['GET /old/a?b=$1', { status: 302, headers: { location: 'http://new.example.com/a?b=$1' } }],
      ['GET /old/a', { status: 302, headers: { location: 'http://new.example.com/a' } }],
      ['GET /x?id=7%268', { status: 200, app: { target: 'GET /front?id=7%268&path=/x' } }],
      ['GET /x', { status: 200, app: { target: 'GET /front?id=&path=/x' } }],
    ],
  },
  {
    name: 'a group that has the name of such a word',
    policy: `
on_http_request:
  - actions: [{ type: url-rewrite, config: { from: "/(?P<host>[a-z]+)/", to: "/h-$host/$$args/" } }]
`,
    visits: [['GET /name/x', { status: 200, app: { target: 'GET /h-name/$args/x' } }]],
  },
  {
    name: 'templates of header modules',
    policy: `
on_http_request:
  - actions:
      - type: basic-auth
        config: { credentials: ['ada:correct horse'] }
      - type: add-headers
        config: { headers: { x-user: "\${.basic_auth.username}", x-from: "\${.ngrok.client_ip} \${.http.request.method}" } }
`,
    remarks: [
      /\.basic_auth\.username\} is an older form/,
      /\.ngrok\.client_ip\} is an older form/,
      /\.http\.request\.method\}/,
    ],
    visits: [
      [
        'GET /',
        { status: 200, app: { headers: { 'x-user': 'ada', 'x-from': '127.0.0.1 GET' } } },
        { headers: { authorization: `Basic ${Buffer.from('ada:correct horse').toString('base64')}` } },
      ],
    ],
  },
]
