// Policies that show conditions: variables of requests, connections and endpoints.

import type { PolicyCase } from './policy-case.ts'

export const CONDITIONS: readonly PolicyCase[] = [
  {
    name: 'only reading methods',
    policy: `
on_http_request:
  - name: read only
    expressions: ["!(req.method in ['GET', 'HEAD', 'OPTIONS'])"]
    actions:
      - type: deny
        config: { status_code: 405 }
`,
    visits: [
      ['GET /', 200],
      ['POST /', { status: 405, headers: { 'sallyport-error-code': 'ERR_DENIED' } }, { body: 'x' }],
      ['DELETE /a', 405],
    ],
  },
  {
    name: 'a part of the site for one network, in two expressions that must both hold',
    policy: `
on_http_request:
  - expressions:
      - req.url.path.startsWith('/admin')
      - "!inCidrRange(conn.client_ip, '127.0.0.2/32')"
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /admin/x', 403],
      ['GET /admin/x', 200, { from: '127.0.0.2' }],
      ['GET /other', 200],
    ],
  },
  {
    name: 'an API key by header, whatever its case',
    policy: `
on_http_request:
  - expressions: ["!('X-Api-Key' in req.headers) || req.headers['x-api-key'][0] != 'k-1'"]
    actions:
      - { type: custom-response, config: { status_code: 401, body: no key, headers: { www-authenticate: Key } } }
`,
    visits: [
      ['GET /', { status: 401, body: 'no key', headers: { 'www-authenticate': 'Key' } }],
      ['GET /', 401, { headers: { 'x-api-key': 'k-2' } }],
      ['GET /', 200, { headers: { 'X-API-KEY': 'k-1' } }],
    ],
  },
  {
    name: 'programs by their user agent',
    policy: `
on_http_request:
  - expressions: [req.user_agent.is_bot || req.user_agent.matches('(?i)^curl/')]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /', 403, { headers: { 'user-agent': 'CURL/8.5' } }],
      [
        'GET /',
        403,
        { headers: { 'user-agent': 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)' } },
      ],
      [
        'GET /',
        200,
        { headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' } },
      ],
    ],
  },
  {
    name: 'names and versions of browsers',
    policy: `
on_http_request:
  - expressions: ["req.user_agent.name == 'Firefox' && int(req.user_agent.version.split('.')[0]) < 100"]
    actions:
      - { type: custom-response, config: { status_code: 426, body: "please update \${req.user_agent.os}" } }
`,
    visits: [
      [
        'GET /',
        { status: 426, body: /^please update / },
        { headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:90.0) Gecko/20100101 Firefox/90.0' } },
      ],
      [
        'GET /',
        200,
        { headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' } },
      ],
    ],
  },
  {
    name: 'a cookie that opens a preview',
    policy: `
on_http_request:
  - expressions: ["!hasReqCookie('preview') || getReqCookie('preview').value != 'yes'"]
    actions: [{ type: deny, config: { status_code: 404 } }]
`,
    visits: [
      ['GET /', 404],
      ['GET /', 404, { headers: { cookie: 'a=b; preview=no' } }],
      ['GET /', 200, { headers: { cookie: 'a=b; preview=yes' } }],
    ],
  },
  {
    name: 'the query: a parameter that must be there once',
    policy: `
on_http_request:
  - expressions: ["getQueryParam('v').size() != 1 || req.url.query_params['v'][0] != '2'"]
    actions: [{ type: deny, config: { status_code: 400 } }]
`,
    visits: [
      ['GET /?v=2&x=1', 200],
      ['GET /?v=2&v=2', 400],
      ['GET /', 400],
    ],
  },
  {
    name: 'parts of the URL as variables and in a text',
    policy: `
on_http_request:
  - expressions: ["req.url.uri == '/a/b?c=d' && req.url.query == 'c=d' && req.url.contains('/a/') && !has(req.url.port)"]
    actions:
      - type: custom-response
        config: { body: "\${req.url.scheme}|\${req.url.host}|\${req.url.path}|\${req.url.raw_path}" }
`,
    visits: [
      ['GET /a/b?c=d', { status: 200, body: /^http\|p\d+\.localhost\|\/a\/b\|\/a\/b$/, app: false }],
      ['GET /a/c', 200],
    ],
  },
  {
    name: 'a body that is too long, or has no length',
    policy: `
on_http_request:
  - expressions: [req.method == 'POST' && (!has(req.content_length) || req.content_length > 10)]
    actions: [{ type: deny, config: { status_code: 413 } }]
`,
    visits: [
      ['POST /', 200, { body: 'short' }],
      ['POST /', 413, { body: 'longer than ten' }],
    ],
  },
  {
    name: 'content types and their parameters',
    policy: `
on_http_request:
  - expressions:
      - req.method == 'POST'
      - "req.content_type != 'application/json' || req.content_type.parameters['charset'] != 'utf-8'"
    actions: [{ type: deny, config: { status_code: 415 } }]
`,
    visits: [
      ['POST /', 200, { body: '{}', headers: { 'content-type': 'application/json; charset=utf-8' } }],
      ['POST /', 415, { body: 'x', headers: { 'content-type': 'text/plain' } }],
      ['GET /', 200],
    ],
  },
  {
    name: 'a condition that cannot be evaluated refuses, and nothing reaches the app',
    policy: `
on_http_request:
  - name: role
    expressions: ["req.headers['x-role'][0] == 'guest'"]
    actions: [{ type: deny }]
`,
    remarks: [/an exchange without x-role is refused here; write 'x-role' in req\.headers/],
    visits: [
      [
        'GET /',
        {
          status: 500,
          headers: { 'sallyport-error-code': 'ERR_EXPRESSION_FAILED' },
          log: /on_http_request\[0\] .*role/,
        },
      ],
      ['GET /', 403, { headers: { 'x-role': 'guest' } }],
      ['GET /', 200, { headers: { 'x-role': 'member' } }],
    ],
  },
  {
    name: 'the connection and the endpoint',
    policy: `
on_http_request:
  - expressions:
      - conn.client_port > 0 && conn.server_port > 0 && conn.server_ip == '127.0.0.1' && conn.bytes_in > 0
      - timestamp(time.now) - conn.ts.start < duration('1m') && conn.tls.version == ''
      - endpoint.id.startsWith('edg_p') && endpoint.host == req.host && endpoint.protocol == 'http'
    actions:
      - { type: custom-response, config: { body: "\${conn.client_ip} \${endpoint.url == 'http://' + req.host}" } }
`,
    visits: [['GET /', { status: 200, body: '127.0.0.3 true', app: false }, { from: '127.0.0.3' }]],
  },
  {
    name: 'every rule that holds runs, and later rules see what earlier ones have changed',
    policy: `
on_http_request:
  - actions: [{ type: add-headers, config: { headers: { x-step: one } } }]
  - expressions: ["req.headers['x-step'].exists(v, v == 'one')"]
    actions: [{ type: add-headers, config: { headers: { x-step: two } } }]
  - expressions: ["getReqHeader('x-step').size() == 3"]
    actions: [{ type: add-headers, config: { headers: { x-all: "\${getReqHeader('x-step').join('+')}" } } }]
`,
    remarks: [/an exchange without x-step is refused here/],
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-step': 'one, two', 'x-all': undefined } } }],
      ['GET /', { status: 200, app: { headers: { 'x-all': 'own+one+two' } } }, { headers: { 'x-step': 'own' } }],
    ],
  },
  {
    name: 'a path that two readers could read differently gets 400 where a condition reads it',
    policy: `
on_http_request:
  - expressions: [req.url.path.startsWith('/private')]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /private/x', 403],
      ['GET /public/../private/x', 400],
      ['GET /%70rivate/x', 400],
      ['GET /public/x', 200],
    ],
  },
]
