// Policies that show actions on requests.

import { createHmac } from 'node:crypto'

import type { PolicyCase } from './policy-case.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
const signed = (body: string, secret: string): string =>
  `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`

const CALL = '{"ok": true}'
const CLAIMS = { iss: 'https://issuer.example', aud: 'https://api.example', sub: 'robot', scope: 'read' }
const SHARED = 'a secret of forty characters, no less ..'

function token(claims: object, secret = SHARED): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const start = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`
  return `${start}.${createHmac('sha256', secret).update(start).digest('base64url')}`
}

export const ACTIONS: readonly PolicyCase[] = [
  {
    name: 'deny for all',
    policy: '{"on_http_request": [{"actions": [{"type": "deny"}]}]}',
    visits: [['GET /', { status: 403, headers: { 'sallyport-error-code': 'ERR_DENIED' } }]],
  },
  {
    name: 'close-connection for one path',
    policy: `
on_http_request:
  - expressions: [req.url.path == '/wp-login.php']
    actions: [{ type: close-connection }]
`,
    visits: [
      ['GET /wp-login.php', 'closed'],
      ['GET /', 200],
    ],
  },
  {
    name: 'restrict-ips, of which deny takes precedence',
    policy: `
on_http_request:
  - actions:
      - type: restrict-ips
        config: { enforce: true, allow: [127.0.0.0/8], deny: [127.0.0.2/32] }
`,
    visits: [
      ['GET /', 200],
      ['GET /', { status: 403, headers: { 'sallyport-error-code': 'ERR_IP_RESTRICTED' } }, { from: '127.0.0.2' }],
    ],
  },
  {
    name: 'restrict-ips that only tells, and a rule that decides by what it told',
    policy: `
on_http_request:
  - actions: [{ type: restrict-ips, config: { enforce: false, allow: [127.0.0.2, 127.0.0.3] } }]
  - expressions: [actions.ngrok.restrict_ips.action == 'deny']
    actions: [{ type: custom-response, config: { status_code: 403, body: "not you, \${conn.client_ip}" } }]
  - actions: [{ type: add-headers, config: { headers: { x-range: "\${actions.ngrok.restrict_ips.matched_cidr}" } } }]
`,
    visits: [
      ['GET /', { status: 403, body: 'not you, 127.0.0.1' }],
      ['GET /', { status: 200, app: { headers: { 'x-range': '127.0.0.3' } } }, { from: '127.0.0.3' }],
    ],
  },
  {
    name: 'basic-auth with two users',
    policy: `
on_http_request:
  - actions:
      - type: basic-auth
        config:
          realm: docs
          credentials: ['ada:correct horse', 'bob:battery staple']
`,
    visits: [
      ['GET /', { status: 401, headers: { 'www-authenticate': /realm="docs"/ } }],
      ['GET /', 401, { headers: { authorization: basic('ada:battery staple') } }],
      ['GET /', 200, { headers: { authorization: basic('bob:battery staple') } }],
    ],
  },
  {
    name: 'basic-auth that only tells, and rules that decide by what it told',
    policy: `
on_http_request:
  - actions: [{ type: basic-auth, config: { enforce: false, credentials: ['ada:correct horse'] } }]
  - expressions: ["!actions.ngrok.basic_auth.credentials.authorized && req.url.path.startsWith('/mine')"]
    actions: [{ type: redirect, config: { to: /welcome } }]
  - actions:
      - type: set-headers
        config:
          headers:
            x-told: "\${actions.ngrok.basic_auth.credentials.username} \${actions.ngrok.basic_auth.credentials.presented}"
`,
    visits: [
      ['GET /mine', { status: 302, headers: { location: /\/welcome$/ }, log: /passed, because enforce is false/ }],
      ['GET /mine', 302, { headers: { authorization: basic('ada:wrong horse') } }],
      [
        'GET /mine',
        { status: 200, app: { headers: { 'x-told': 'ada true' } } },
        { headers: { authorization: basic('ada:correct horse') } },
      ],
      [
        'GET /',
        { status: 200, app: { headers: { 'x-told': 'bob true', 'sallyport-auth-user-id': undefined } } },
        { headers: { authorization: basic('bob:wrong horse') } },
      ],
      ['GET /', { status: 200, app: { headers: { 'x-told': 'false' } } }],
    ],
  },
  {
    name: 'rate-limit by header, method and address',
    policy: `
on_http_request:
  - actions:
      - type: rate-limit
        config:
          name: three keys
          algorithm: sliding_window
          capacity: 2
          rate: 60s
          bucket_key: ["req.headers['x-key']", req.method, conn.client_ip]
`,
    visits: [
      ['GET /', 200, { headers: { 'x-key': 'a' } }],
      ['GET /', 200, { headers: { 'x-key': 'a' } }],
      ['GET /', { status: 429, headers: { 'retry-after': /^\d+$/ } }, { headers: { 'x-key': 'a' } }],
      ['GET /', 200, { headers: { 'x-key': 'b' } }],
      ['POST /', 200, { headers: { 'x-key': 'a' }, body: 'x' }],
    ],
  },
  {
    name: 'circuit-breaker on an app that fails',
    policy: `
on_http_request:
  - actions:
      - type: circuit-breaker
        config: { error_threshold: 0.5, volume_threshold: 2, window_duration: 10s, tripped_duration: 60s }
`,
    visits: [
      ['GET /status/500', { status: 500, app: true }],
      ['GET /status/500', { status: 500, app: true }],
      ['GET /', { status: 503, headers: { 'retry-after': /^\d+$/ } }],
    ],
  },
  {
    name: 'redirect from one host scheme to a canonical address',
    policy: `
on_http_request:
  - actions:
      - type: redirect
        config: { from: '^http://[^/]+/(.*)$', to: 'https://www.example.com/$1', status_code: 308, headers: { x-why: moved } }
`,
    visits: [
      ['GET /a/b?c=d', { status: 308, headers: { location: 'https://www.example.com/a/b?c=d', 'x-why': 'moved' } }],
      ['GET /', { status: 308, headers: { location: 'https://www.example.com/' } }],
    ],
  },
  {
    name: 'redirect of old paths with a named group; others pass',
    policy: `
on_http_request:
  - actions:
      - type: redirect
        config: { from: '/blog/(?P<year>[0-9]{4})/(?P<slug>[^/?]+)', to: '/posts/$slug/$year', status_code: 301 }
`,
    visits: [
      [
        'GET /blog/2024/hello',
        { status: 301, headers: { location: /^http:\/\/p\d+\.localhost\/posts\/hello\/2024$/ } },
      ],
      ['GET /blog/', 200],
    ],
  },
  {
    name: 'url-rewrite of a prefix, whose query stays',
    policy: `
on_http_request:
  - actions: [{ type: url-rewrite, config: { from: /api/v1/, to: /v1/ } }]
`,
    visits: [
      ['GET /api/v1/users?id=7', { status: 200, app: { target: 'GET /v1/users?id=7' } }],
      ['GET /other', { status: 200, app: { target: 'GET /other' } }],
    ],
  },
  {
    name: 'url-rewrite into a query, by a template',
    policy: `
on_http_request:
  - actions: [{ type: set-vars, config: { vars: [{ path: "\${req.url.path}" }] } }]
  - actions: [{ type: url-rewrite, config: { to: "/front.php?path=\${url.escape(vars.path)}" } }]
  - expressions: [req.url.path == '/front.php' && vars.path != req.url.path]
    actions: [{ type: add-headers, config: { headers: { x-original: "\${vars.path}" } } }]
`,
    visits: [
      ['GET /a', { status: 200, app: { target: 'GET /front.php?path=%2Fa', headers: { 'x-original': '/a' } } }],
      ["GET /$1${'b'}", { status: 200, app: { target: 'GET /front.php?path=%2F%241%24%7B%27b%27%7D' } }],
    ],
  },
  {
    name: 'headers of the request: added, removed, replaced',
    policy: `
on_http_request:
  - actions:
      - { type: remove-headers, config: { headers: [x-role, referer] } }
      - { type: add-headers, config: { headers: { x-role: visitor, x-stage: "\${STAGE}", x-ip: "ip=\${conn.client_ip}" } } }
`,
    visits: [
      [
        'GET /',
        {
          status: 200,
          app: { headers: { 'x-role': 'visitor', 'x-stage': 'blue', 'x-ip': 'ip=127.0.0.1', referer: undefined } },
        },
        { headers: { 'x-role': 'admin', X_Role: 'admin', referer: 'https://a.example/' } },
      ],
    ],
  },
  {
    name: 'the Host that an app wants',
    policy: `
on_http_request:
  - actions: [{ type: add-headers, config: { headers: { host: inner.example } } }]
`,
    visits: [['GET /', { status: 200, app: { headers: { host: 'inner.example' } } }]],
  },
  {
    name: 'custom-response as a page of maintenance but for one network',
    policy: `
on_http_request:
  - expressions: ["conn.client_ip != '127.0.0.2'"]
    actions:
      - type: custom-response
        config:
          status_code: 503
          headers: { retry-after: "3600" }
          body: <!doctype html><title>back soon</title>
`,
    visits: [
      ['GET /', { status: 503, headers: { 'content-type': /^text\/html/, 'retry-after': '3600', 'x-app': undefined } }],
      ['GET /', 200, { from: '127.0.0.2' }],
    ],
  },
  {
    name: 'custom-response that echoes JSON, in which nothing of a visitor breaks out',
    policy: String.raw`
on_http_request:
  - actions:
      - type: custom-response
        config:
          body: '{ "agent": \${json.encode(getReqHeader(\"user-agent\").join())}, "ok": true }'
`.replaceAll('\\$', '$'),
    visits: [
      [
        'GET /',
        {
          status: 200,
          body: '{ "agent": "a\\"b ${1 + 1}", "ok": true }',
          headers: { 'content-type': /json/ },
          app: false,
        },
        { headers: { 'user-agent': 'a"b ${1 + 1}' } },
      ],
    ],
  },
  {
    name: 'set-vars with values of every kind, of which later ones see earlier ones',
    policy: `
on_http_request:
  - actions:
      - type: set-vars
        config:
          vars:
            - tiers: { gold: 3, silver: 2 }
            - tier: "\${getReqHeader('x-tier').size() > 0 ? getReqHeader('x-tier')[0] : 'none'}"
            - weight: "\${vars.tier in vars.tiers ? vars.tiers[vars.tier] : 1}"
            - text: "tier \${vars.tier}"
  - expressions: [vars.weight > 2]
    actions: [{ type: add-headers, config: { headers: { x-told: "\${vars.text}, \${vars.weight + 1}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-told': undefined } } }],
      ['GET /', { status: 200, app: { headers: { 'x-told': 'tier gold, 4' } } }, { headers: { 'x-tier': 'gold' } }],
    ],
  },
  {
    name: 'log with metadata',
    policy: `
on_http_request:
  - name: watch
    expressions: [req.method == 'PUT']
    actions: [{ type: log, config: { metadata: { path: "\${req.url.path}", number: 7, deep: { by: "\${conn.client_ip}" } } } }]
`,
    visits: [
      [
        'PUT /x',
        {
          status: 200,
          log: /"rule":"on_http_request\[0\] \\"watch\\"","metadata":\{"path":"\/x","number":7,"deep":\{"by":"127\.0\.0\.1"\}\}/,
        },
        { body: 'x' },
      ],
    ],
  },
  {
    name: 'verify-webhook of GitHub',
    policy: `
on_http_request:
  - actions: [{ type: verify-webhook, config: { provider: github, secret: hush } }]
`,
    visits: [
      ['POST /hook', 200, { body: CALL, headers: { 'x-hub-signature-256': signed(CALL, 'hush') } }],
      ['POST /hook', 403, { body: `${CALL} `, headers: { 'x-hub-signature-256': signed(CALL, 'hush') } }],
      ['POST /hook', 403, { body: CALL }],
    ],
  },
  {
    name: 'verify-webhook that only tells, and a rule for what was not verified',
    policy: `
on_http_request:
  - actions: [{ type: verify-webhook, config: { provider: github, secret: hush, enforce: false } }]
  - expressions: ["!actions.ngrok.verify_webhook.verified"]
    actions: [{ type: add-headers, config: { headers: { x-doubtful: "yes" } } }]
`,
    visits: [
      ['POST /', { status: 200, app: { headers: { 'x-doubtful': 'yes' } } }, { body: CALL }],
      [
        'POST /',
        { status: 200, app: { headers: { 'x-doubtful': undefined } } },
        { body: CALL, headers: { 'x-hub-signature-256': signed(CALL, 'hush') } },
      ],
    ],
  },
  {
    name: 'jwt-validation, and claims for later rules',
    policy: `
on_http_request:
  - actions:
      - type: jwt-validation
        config:
          issuer: { allow_list: [{ value: https://issuer.example }] }
          audience: { allow_list: [{ value: https://api.example }] }
          http: { tokens: [{ type: jwt, method: header, name: authorization, prefix: "Bearer " }] }
          jws: { allowed_algorithms: [HS256], keys: { sources: { shared_secret: "${SHARED}" } } }
  - expressions: ["actions.ngrok.jwt_validation.tokens[0].payload.scope != 'read'"]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /', 401],
      [
        'GET /',
        401,
        { headers: { authorization: `Bearer ${token(CLAIMS, 'another secret, of forty characters too.')}` } },
      ],
      ['GET /', 401, { headers: { authorization: `Bearer ${token({ ...CLAIMS, aud: 'https://other.example' })}` } }],
      ['GET /', 200, { headers: { authorization: `Bearer ${token(CLAIMS)}` } }],
      ['GET /', 403, { headers: { authorization: `Bearer ${token({ ...CLAIMS, scope: 'write' })}` } }],
    ],
  },
  {
    name: 'several actions in one rule, in order, up to the one that ends',
    policy: `
on_http_request:
  - expressions: ["req.url.path == '/old'"]
    actions:
      - { type: log, config: { metadata: { old: true } } }
      - { type: redirect, config: { to: /new } }
  - actions: [{ type: custom-response, config: { status_code: 410 } }]
`,
    visits: [
      ['GET /old', { status: 302, headers: { location: /\/new$/ }, log: /"metadata":\{"old":true\}/ }],
      ['GET /new', 410],
    ],
  },
]
