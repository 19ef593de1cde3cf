// Policies about the TLS of visitors, who have a certificate of `ours`, of another authority, or none.

import type { PolicyCase } from './policy-case.ts'

const OURS = 'mutual_tls_certificate_authorities: ["${OURS}"]'

export const CERTIFICATES: readonly PolicyCase[] = [
  {
    name: 'terminate-tls for visitors with a certificate, and the app learns its name',
    policy: `
on_tcp_connect:
  - actions: [{ type: terminate-tls, config: { ${OURS} } }]
on_http_request:
  - actions:
      - type: add-headers
        config: { headers: { x-name: "\${conn.tls.client.subject.common_name} \${conn.tls.client.san.dns_names[0]}" } }
`,
    visits: [
      ['GET /', { status: 403, headers: { 'sallyport-error-code': 'ERR_CERTIFICATE_REQUIRED' } }],
      [
        'GET /',
        { status: 403, headers: { 'sallyport-error-code': 'ERR_CERTIFICATE_REFUSED' } },
        { certificate: 'eve' },
      ],
      ['GET /', { status: 200, app: { headers: { 'x-name': 'ann ann.example' } } }, { certificate: 'ann' }],
    ],
  },
  {
    name: 'terminate-tls that only asks, and a rule for those who have answered',
    policy: `
on_tcp_connect:
  - actions: [{ type: terminate-tls, config: { ${OURS}, mutual_tls_verification_strategy: request } }]
on_http_request:
  - expressions: ["req.url.path.startsWith('/staff') && !has(conn.tls.client)"]
    actions: [{ type: custom-response, config: { status_code: 401, body: a certificate please } }]
`,
    visits: [
      ['GET /', 200],
      ['GET /staff', { status: 401, body: 'a certificate please' }],
      ['GET /staff', 200, { certificate: 'ann' }],
    ],
  },
  {
    name: 'terminate-tls for new TLS alone',
    policy: `
on_tcp_connect:
  - actions: [{ type: terminate-tls, config: { min_version: "1.3" } }]
on_http_request:
  - actions: [{ type: add-headers, config: { headers: { x-tls: "\${conn.tls.version} \${conn.tls.sni}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-tls': /^1\.3 p\d+\.localhost$/ } } }],
      ['GET /', 'closed', { tls: 'TLSv1.2' }],
    ],
  },
  {
    name: 'a connection with old TLS is closed by a rule, and the others are told to browsers',
    policy: `
on_tcp_connect:
  - expressions: ["conn.tls.version == '1.2'"]
    actions: [{ type: deny }]
on_http_response:
  - actions: [{ type: add-headers, config: { headers: { x-suite: "\${conn.tls.cipher_suite}" } } }]
`,
    visits: [
      ['GET /', { status: 200, headers: { 'x-suite': /^TLS_/ } }],
      ['GET /', 'closed', { tls: 'TLSv1.2' }],
    ],
  },
]
