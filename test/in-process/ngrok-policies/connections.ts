// Policies for connections: on_tcp_connect.

import type { PolicyCase } from './policy-case.ts'

export const CONNECTIONS: readonly PolicyCase[] = [
  {
    name: 'restrict-ips before anything else',
    policy: `
on_tcp_connect:
  - actions: [{ type: restrict-ips, config: { enforce: true, allow: [127.0.0.1/32] } }]
on_http_request:
  - actions: [{ type: custom-response, config: { body: inside } }]
`,
    visits: [
      ['GET /', { status: 200, body: 'inside', app: false }],
      ['GET /', 'closed', { from: '127.0.0.2' }],
    ],
  },
  {
    name: 'deny by the address of the visitor',
    policy: `
on_tcp_connect:
  - expressions: ["conn.client_ip in ['127.0.0.6', '127.0.0.7']"]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /', 200],
      ['GET /', 'closed', { from: '127.0.0.7' }],
    ],
  },
  {
    name: 'close-connection outside of office hours that never end',
    policy: `
on_tcp_connect:
  - expressions: ["timestamp(time.now).getHours('Europe/Berlin') < 0", "conn.server_port > 0"]
    actions: [{ type: close-connection }]
`,
    visits: [['GET /', 200]],
  },
  {
    name: 'a variable and a line in the log, once for each connection',
    policy: `
on_tcp_connect:
  - name: who
    actions:
      - { type: set-vars, config: { vars: [{ network: "\${conn.client_ip.split('.').slice(0, 3).join('.')}" }] } }
      - { type: log, config: { metadata: { network: "\${vars.network}.0/24", to: "\${endpoint.host}" } } }
on_http_request:
  - expressions: ["'network' in vars"]
    actions: [{ type: deny }]
`,
    visits: [
      [
        'GET /',
        {
          status: 200,
          log: /"rule":"on_tcp_connect\[0\] \\"who\\"","metadata":\{"network":"127\.0\.0\.0\/24","to":"p\d+/,
        },
      ],
    ],
  },
]
