// Policies for the answers of apps: on_http_response.

import type { PolicyCase } from './policy-case.ts'

export const ANSWERS: readonly PolicyCase[] = [
  {
    name: 'headers for browsers, and what the app says of itself removed',
    policy: `
on_http_response:
  - actions:
      - { type: remove-headers, config: { headers: [server, x-app] } }
      - { type: add-headers, config: { headers: { x-content-type-options: nosniff, referrer-policy: no-referrer } } }
`,
    visits: [
      [
        'GET /',
        {
          status: 200,
          body: 'app',
          headers: {
            server: undefined,
            'x-app': undefined,
            'x-content-type-options': 'nosniff',
            'set-cookie': 'app=1',
          },
        },
      ],
    ],
  },
  {
    name: 'another page for errors of the app; other answers stay',
    policy: `
on_http_response:
  - expressions: [res.status_code >= 500 && res.status_code < 600]
    actions:
      - type: custom-response
        config: { status_code: 502, body: "sorry, \${res.status_code} at \${req.url.path}", headers: { x-own: "yes" } }
`,
    visits: [
      [
        'GET /status/503',
        { status: 502, body: 'sorry, 503 at /status/503', headers: { 'x-own': 'yes', 'x-app': undefined }, app: true },
      ],
      ['GET /status/404', { status: 404, body: 'app', app: true }],
    ],
  },
  {
    name: 'compress-response for JSON alone',
    policy: `
on_http_response:
  - expressions: ["res.content_type == 'application/json'"]
    actions: [{ type: compress-response, config: { algorithms: [gzip, br] } }]
`,
    visits: [
      [
        'GET /a.json',
        { status: 200, headers: { 'content-encoding': 'gzip', vary: /accept-encoding/i } },
        { headers: { 'accept-encoding': 'gzip' } },
      ],
      ['GET /a.json', { status: 200, headers: { 'content-encoding': undefined } }],
      [
        'GET /',
        { status: 200, headers: { 'content-encoding': undefined } },
        { headers: { 'accept-encoding': 'gzip' } },
      ],
    ],
  },
  {
    name: 'headers and cookies of the answer in conditions',
    policy: `
on_http_response:
  - expressions: ["hasResHeader('X-App') && getResHeader('x-app')[0] == 'yes' && hasResCookie('app')"]
    actions: [{ type: add-headers, config: { headers: { x-seen: "\${getResCookie('app').value} \${res.headers['x-app'][0]}" } } }]
`,
    remarks: [/an exchange without x-app is refused here/],
    visits: [['GET /', { status: 200, headers: { 'x-seen': '1 yes' } }]],
  },
  {
    name: 'caching by path and status',
    policy: `
on_http_response:
  - expressions: ["req.url.path.startsWith('/assets/') && res.status_code == 200"]
    actions: [{ type: add-headers, config: { headers: { cache-control: "public, max-age=31536000" } } }]
  - expressions: [res.status_code == 404]
    actions: [{ type: add-headers, config: { headers: { cache-control: no-store } } }]
`,
    visits: [
      ['GET /assets/a.css', { status: 200, headers: { 'cache-control': 'public, max-age=31536000' } }],
      ['GET /', { status: 200, headers: { 'cache-control': undefined } }],
      ['GET /assets/status/404', { status: 404, headers: { 'cache-control': 'no-store' }, app: true }],
    ],
  },
  {
    name: 'variables of requests are none of answers, which have their own',
    policy: `
on_http_request:
  - actions: [{ type: set-vars, config: { vars: [{ who: request }] } }]
on_http_response:
  - actions:
      - { type: set-vars, config: { vars: [{ size: "\${'who' in vars ? 'seen' : 'unseen'}" }] } }
      - { type: add-headers, config: { headers: { x-vars: "\${vars.size}" } } }
`,
    visits: [['GET /', { status: 200, headers: { 'x-vars': 'unseen' } }]],
  },
  {
    name: 'results of actions on requests in answers',
    policy: `
on_http_request:
  - actions: [{ type: rate-limit, config: { name: told, algorithm: sliding_window, capacity: 100, rate: 60s, bucket_key: [conn.client_ip] } }]
on_http_response:
  - actions:
      - type: add-headers
        config: { headers: { x-bucket: "\${actions.ngrok.rate_limit.bucket_key} \${actions.sallyport.rate_limit.limited}" } }
`,
    visits: [['GET /', { status: 200, headers: { 'x-bucket': '127.0.0.1 false' } }]],
  },
  {
    name: 'answers of the relay itself pass no rule for answers',
    policy: `
on_http_request:
  - expressions: [req.method == 'DELETE']
    actions: [{ type: custom-response, config: { status_code: 405 } }]
on_http_response:
  - actions: [{ type: add-headers, config: { headers: { x-passed: "yes" } } }]
`,
    visits: [
      ['DELETE /', { status: 405, headers: { 'x-passed': undefined } }],
      ['GET /', { status: 200, headers: { 'x-passed': 'yes' } }],
    ],
  },
  {
    name: 'log of slow or broken answers',
    policy: `
on_http_response:
  - name: errors
    expressions: [res.status_code >= 400]
    actions: [{ type: log, config: { metadata: { status: "\${res.status_code}", at: "\${req.url.path}" } } }]
`,
    visits: [
      [
        'GET /status/418',
        { status: 418, app: true, log: /"rule":"on_http_response\[0\] .*"status":418,"at":"\/status\/418"/ },
      ],
    ],
  },
  {
    name: 'a condition on an answer that cannot be evaluated withholds it',
    policy: `
on_http_response:
  - expressions: ["res.headers['x-none'][0] == 'a'"]
    actions: [{ type: remove-headers, config: { headers: [server] } }]
`,
    remarks: [/an exchange without x-none is refused here/],
    visits: [
      [
        'GET /',
        { status: 500, app: true, headers: { 'sallyport-error-code': 'ERR_EXPRESSION_FAILED', 'x-app': undefined } },
      ],
    ],
  },
]
