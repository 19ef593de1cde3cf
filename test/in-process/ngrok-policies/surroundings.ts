// Policies that need more than an app: a provider, internal endpoints, and what the operator sets up in relay.yml.

import type { PolicyCase } from './policy-case.ts'

/** Of relay.yml. `FOLDER` is where the files are. */
export const CONFIG = `
region: eu
secrets: { shop: { token: s3cret-of-the-shop } }
geo: { city_file: FOLDER/city.mmdb, asn_file: FOLDER/asn.mmdb }
ip_policies: { ipp_office: { allow: [127.0.0.3, 127.0.0.4] }, ipp_bad: { deny: [127.0.0.4] } }
ip_lists: { blocklist: FOLDER/block.txt, tor: FOLDER/tor.txt, partners: FOLDER/partners.txt }
`
export const FILES = { 'block.txt': '127.0.0.5\n', 'tor.txt': '127.0.0.6 # an exit\n', 'partners.txt': '127.0.0.3\n' }
export const CITIES = {
  '127.0.0.3/32': { country: { iso_code: 'DE', is_in_european_union: true }, city: { names: { en: 'Berlin' } } },
  '127.0.0.4/32': { country: { iso_code: 'XX' } },
}
export const NETWORKS = {
  '127.0.0.3/32': { autonomous_system_number: 64_500, autonomous_system_organization: 'Example' },
}
/** By their host below `.internal`. All but the first two answer by themselves. */
export const INTERNAL: Readonly<Record<string, string>> = {
  api: 'on_http_request: [{ actions: [{ type: add-headers, config: { headers: { x-endpoint: "${endpoint.url}" } } }] }]',
  beta: 'on_http_request: [{ actions: [{ type: add-headers, config: { headers: { x-endpoint: "${endpoint.url}" } } }] }]',
  auth: `
on_http_request:
  - expressions: ["req.method == 'POST' && getReqHeader('x-key').exists(k, k == 'k-1')"]
    actions: [{ type: custom-response, config: { body: '{ "user": "ada" }' } }]
  - actions: [{ type: custom-response, config: { status_code: 403, body: 'no user' } }]
`,
  broken: 'on_http_request: [{ actions: [{ type: custom-response, config: { status_code: 503 } }] }]',
}

const NAVIGATION = { accept: 'text/html', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' }
const SIGN_IN = '{ issuer_url: "${ISSUER}", client_id: relay, client_secret: "a secret of the tests"'

/** An address at the provider with these parameters, in any order. */
const authorize = (...parameters: string[]): RegExp =>
  new RegExp(`^http://127\\.0\\.0\\.1:\\d+/authorize\\?${parameters.map((each) => `(?=.*\\b${each}(?:&|$))`).join('')}`)

export const SIGN_INS: readonly PolicyCase[] = [
  {
    name: 'openid-connect for all, and the app learns who it is',
    policy: `
on_http_request:
  - actions: [{ type: openid-connect, config: ${SIGN_IN} } }]
`,
    visits: [
      ['GET /page', { status: 401, headers: { 'sallyport-error-code': 'ERR_SIGN_IN_REQUIRED' } }],
      [
        'GET /page',
        {
          status: 302,
          headers: {
            location: authorize(
              'response_type=code',
              'client_id=relay',
              'scope=openid\\+profile\\+email',
              'redirect_uri=http%3A%2F%2Frelay\\.localhost%3A\\d+%2Foidc%2Fcallback%2F[^&]+',
              'code_challenge_method=S256',
              'code_challenge=[\\w-]{43}',
              'state=[^&]+',
              'nonce=[^&]+',
            ),
          },
        },
        { headers: NAVIGATION },
      ],
      ['GET /page', { status: 200, app: { headers: { 'sallyport-auth-user-id': 'user-1' } } }, { isSignedIn: true }],
    ],
  },
  {
    name: 'openid-connect with scopes, parameters and an id of its own',
    policy: `
on_http_request:
  - actions:
      - type: openid-connect
        config: ${SIGN_IN}, auth_id: staff, scopes: [openid, groups], authz_url_params: { prompt: login, ui_locales: de }, max_session_duration: 8h }
`,
    visits: [
      [
        'GET /',
        { status: 302, headers: { location: authorize('scope=openid\\+groups', 'prompt=login', 'ui_locales=de') } },
        { headers: NAVIGATION },
      ],
      ['GET /', 200, { isSignedIn: true }],
    ],
  },
  {
    name: 'openid-connect for a part of the site, and a rule about who has signed in',
    policy: `
on_http_request:
  - expressions: ["req.url.path.startsWith('/staff') || req.url.path.startsWith('/audit')"]
    actions: [{ type: openid-connect, config: ${SIGN_IN} } }]
  - expressions: ["req.url.path.startsWith('/audit') && !(actions.ngrok.oidc.identity.id in ['user-2', 'user-3'])"]
    actions: [{ type: deny }]
  - expressions: ["has(actions.ngrok.oidc.identity)"]
    actions: [{ type: add-headers, config: { headers: { x-who: "\${actions.ngrok.oidc.identity.provider_user_id}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-who': undefined } } }],
      ['GET /staff', 401],
      ['GET /staff', { status: 200, app: { headers: { 'x-who': 'user-1' } } }, { isSignedIn: '/staff' }],
      ['GET /audit', { status: 403, headers: { 'sallyport-error-code': 'ERR_DENIED' } }, { isSignedIn: '/staff' }],
    ],
  },
  {
    name: 'preflights of browsers pass in front of a sign-in',
    policy: `
on_http_request:
  - actions: [{ type: openid-connect, config: ${SIGN_IN}, allow_cors_preflight: true } }]
`,
    visits: [
      [
        'OPTIONS /',
        { status: 200, app: { headers: { 'sallyport-auth-user-id': undefined } } },
        { headers: { origin: 'http://x.example', 'access-control-request-method': 'PUT' } },
      ],
      ['OPTIONS /', 401],
      ['PUT /', 401],
    ],
  },
  {
    name: 'oauth at a provider by its name, at a client of one’s own',
    policy: `
on_http_request:
  - actions:
      - { type: oauth, config: { provider: google, client_id: relay, client_secret: "a secret of the tests", scopes: [calendar] } }
  - expressions: ["actions.ngrok.oauth.identity.provider_user_id != 'user-1'"]
    actions: [{ type: deny }]
  - actions: [{ type: add-headers, config: { headers: { x-who: "\${actions.ngrok.oauth.identity.id}" } } }]
`,
    visits: [
      ['GET /', { status: 401, headers: { 'sallyport-error-code': 'ERR_SIGN_IN_REQUIRED' } }],
      [
        'GET /',
        {
          status: 302,
          headers: { location: authorize('client_id=relay', 'scope=openid\\+profile\\+email\\+calendar') },
        },
        { headers: NAVIGATION },
      ],
      ['GET /', { status: 200, app: { headers: { 'x-who': 'user-1' } } }, { isSignedIn: true }],
    ],
  },
]

export const ENDPOINTS: readonly PolicyCase[] = [
  {
    name: 'forward-internal by path, and the rest for the app',
    policy: `
on_http_request:
  - expressions: [req.url.path.startsWith('/api/')]
    actions: [{ type: forward-internal, config: { url: https://api.internal } }]
`,
    visits: [
      ['GET /api/x', { status: 200, app: { target: 'GET /api/x', headers: { 'x-endpoint': 'https://api.internal' } } }],
      ['GET /', { status: 200, app: { headers: { 'x-endpoint': undefined } } }],
    ],
  },
  {
    name: 'forward-internal chosen by a cookie, with another one if it is not there',
    policy: `
on_http_request:
  - actions: [{ type: set-vars, config: { vars: [{ to: "\${hasReqCookie('to') ? getReqCookie('to').value : 'api'}" }] } }]
  - actions:
      - { type: forward-internal, config: { url: "https://\${vars.to}.internal", on_error: continue } }
      - { type: custom-response, config: { status_code: 404, body: "no \${vars.to}" } }
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-endpoint': 'https://api.internal' } } }],
      [
        'GET /',
        { status: 200, app: { headers: { 'x-endpoint': 'https://beta.internal' } } },
        { headers: { cookie: 'to=beta' } },
      ],
      ['GET /', { status: 404, body: 'no gamma' }, { headers: { cookie: 'to=gamma' } }],
      // The address is not one of an internal endpoint: the request ends, whatever on_error says.
      ['GET /', 503, { headers: { cookie: 'to=evil.example/' } }],
    ],
  },
  {
    name: 'forward-internal that ends the request if the endpoint is not there',
    policy: `
on_http_request:
  - actions: [{ type: forward-internal, config: { url: https://nobody.internal, on_error: halt } }]
`,
    visits: [['GET /', { status: 503, headers: { 'sallyport-error-code': 'ERR_INTERNAL_ENDPOINT_OFFLINE' } }]],
  },
  {
    name: 'forward-internal to an endpoint whose own policy answers',
    policy: `
on_http_request:
  - actions:
      - { type: forward-internal, config: { url: https://auth.internal, on_error: continue } }
      - { type: custom-response, config: { body: not this one } }
on_http_response:
  - actions: [{ type: add-headers, config: { headers: { x-never: "seen" } } }]
`,
    visits: [['GET /', { status: 403, body: 'no user', headers: { 'x-never': undefined } }]],
  },
  {
    name: 'http-request to a service that knows the keys of callers',
    policy: `
on_http_request:
  - actions:
      - type: http-request
        config:
          url: https://auth.internal/check
          method: POST
          headers: { x-key: "\${getReqHeader('x-key').join()}", content-type: application/json }
          body: '{ "path": \${json.encode(req.url.path)} }'
  - expressions: [actions.ngrok.http_request.res.status_code != 200]
    actions: [{ type: custom-response, config: { status_code: 401, body: "\${actions.ngrok.http_request.res.body}" } }]
  - actions: [{ type: add-headers, config: { headers: { x-user: "\${json.decode(actions.ngrok.http_request.res.body).user}" } } }]
`,
    visits: [
      ['GET /', { status: 401, body: 'no user' }],
      ['GET /', { status: 200, app: { headers: { 'x-user': 'ada' } } }, { headers: { 'x-key': 'k-1' } }],
    ],
  },
  {
    name: 'http-request that is tried again',
    policy: `
on_http_request:
  - actions:
      - type: http-request
        config: { url: https://broken.internal, retry_condition: "attempts < 3 && last_attempt.res.status_code >= 500", timeout: 10s }
      - type: add-headers
        config: { headers: { x-tries: "\${actions.ngrok.http_request.attempts.size()} \${actions.ngrok.http_request.res.status_code}" } }
`,
    visits: [['GET /', { status: 200, app: { headers: { 'x-tries': '3 503' } } }]],
  },
  {
    name: 'http-request that may fail, and one that may not',
    policy: `
on_http_request:
  - actions: [{ type: http-request, config: { url: https://nobody.internal, on_error: continue } }]
  - expressions: ["has(actions.ngrok.http_request.error) && req.url.path == '/told'"]
    actions: [{ type: custom-response, config: { status_code: 502, body: "\${actions.ngrok.http_request.error.code}" } }]
  - expressions: ["req.url.path == '/halts'"]
    actions: [{ type: http-request, config: { url: https://nobody.internal, on_error: halt } }]
`,
    visits: [
      ['GET /', 200],
      ['GET /told', { status: 502, body: 'ERR_INTERNAL_ENDPOINT_OFFLINE' }],
      ['GET /halts', { status: 502, headers: { 'sallyport-error-code': 'ERR_HTTP_REQUEST_FAILED' } }],
    ],
  },
]

export const SOURCES: readonly PolicyCase[] = [
  {
    name: 'countries, of which one is shut out, and addresses without a country',
    policy: `
on_http_request:
  - expressions: ["has(conn.geo.country_code) && conn.geo.country_code in ['XX', 'YY']"]
    actions: [{ type: custom-response, config: { status_code: 451, body: "not in \${conn.geo.country_code}" } }]
  - expressions: ["has(conn.geo.city)"]
    actions: [{ type: add-headers, config: { headers: { x-city: "\${conn.geo.city}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-city': undefined } } }],
      ['GET /', { status: 200, app: { headers: { 'x-city': 'Berlin' } } }, { from: '127.0.0.3' }],
      ['GET /', { status: 451, body: 'not in XX' }, { from: '127.0.0.4' }],
    ],
  },
  {
    name: 'a country that is asked for without has() is refused to those who have none',
    policy: `
on_http_request:
  - expressions: ["conn.client_ip.geo.location.country_code == 'XX'"]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /', { status: 500, headers: { 'sallyport-error-code': 'ERR_EXPRESSION_FAILED' } }],
      ['GET /', 200, { from: '127.0.0.3' }],
      ['GET /', 403, { from: '127.0.0.4' }],
    ],
  },
  {
    name: 'the network of a visitor, and whether it is in Europe',
    policy: `
on_http_request:
  - expressions: ["!has(conn.client_ip.as.number) || conn.client_ip.as.number != 64500"]
    actions: [{ type: deny, config: { status_code: 404 } }]
  - actions:
      - type: add-headers
        config: { headers: { x-as: "\${conn.client_ip.as.organization} \${conn.client_ip.geo.location.is_eu} \${conn.server_region}" } }
`,
    visits: [
      ['GET /', 404],
      ['GET /', { status: 200, app: { headers: { 'x-as': 'Example true eu' } } }, { from: '127.0.0.3' }],
    ],
  },
  {
    name: 'lists of addresses: bad ones, exits of Tor, partners',
    policy: `
on_http_request:
  - expressions: [conn.client_ip.is_on_blocklist || conn.client_ip.is_tor_node]
    actions: [{ type: deny }]
  - expressions: ["'partners' in conn.client_ip.categories"]
    actions: [{ type: add-headers, config: { headers: { x-partner: "yes" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-partner': undefined } } }],
      ['GET /', { status: 200, app: { headers: { 'x-partner': 'yes' } } }, { from: '127.0.0.3' }],
      ['GET /', 403, { from: '127.0.0.5' }],
      ['GET /', 403, { from: '127.0.0.6' }],
    ],
  },
  {
    name: 'a secret of a vault that callers must know',
    policy: `
on_http_request:
  - expressions: ["!getReqHeader('x-token').exists(t, t == secrets.get('shop', 'token'))"]
    actions: [{ type: deny, config: { status_code: 401 } }]
  - actions: [{ type: remove-headers, config: { headers: [x-token] } }]
`,
    visits: [
      ['GET /', 401],
      ['GET /', 401, { headers: { 'x-token': 's3cret' } }],
      [
        'GET /',
        { status: 200, app: { headers: { 'x-token': undefined } } },
        { headers: { 'x-token': 's3cret-of-the-shop' } },
      ],
    ],
  },
  {
    name: 'a secret of a vault for the app, in a header that visitors cannot write',
    policy: `
on_http_request:
  - actions:
      - { type: remove-headers, config: { headers: [authorization] } }
      - { type: add-headers, config: { headers: { authorization: "Bearer \${secrets.get('shop', 'token')}" } } }
`,
    visits: [
      [
        'GET /',
        { status: 200, app: { headers: { authorization: 'Bearer s3cret-of-the-shop' } } },
        { headers: { authorization: 'Bearer mine' } },
      ],
    ],
  },
  {
    name: 'policies of addresses by their ids',
    policy: `
on_http_request:
  - actions: [{ type: restrict-ips, config: { enforce: true, ip_policies: [ipp_office, ipp_bad] } }]
`,
    visits: [
      ['GET /', 403],
      ['GET /', 200, { from: '127.0.0.3' }],
      ['GET /', { status: 403, headers: { 'sallyport-error-code': 'ERR_IP_RESTRICTED' } }, { from: '127.0.0.4' }],
    ],
  },
  {
    name: 'lists of addresses and countries before anything of a request is read',
    policy: `
on_tcp_connect:
  - name: nobody of these
    expressions: [conn.client_ip.is_on_blocklist]
    actions:
      - { type: log, config: { metadata: { shut_out: "\${conn.client_ip}" } } }
      - type: deny
  - expressions: ["has(conn.geo.country_code) && conn.geo.country_code == 'XX'"]
    actions: [{ type: close-connection }]
`,
    visits: [
      ['GET /', 200],
      ['GET /', 'closed', { from: '127.0.0.4' }],
      ['GET /', 'closed', { from: '127.0.0.5' }],
    ],
  },
  {
    name: 'addresses by their ids before anything of a request is read, and a rule for requests behind',
    policy: `
on_tcp_connect:
  - actions: [{ type: restrict-ips, config: { enforce: true, ip_policies: [ipp_office] } }]
on_http_request:
  - expressions: ["conn.client_ip != '127.0.0.3'"]
    actions: [{ type: deny }]
`,
    visits: [
      ['GET /', 'closed'],
      ['GET /', 200, { from: '127.0.0.3' }],
      ['GET /', 403, { from: '127.0.0.4' }],
    ],
  },
  {
    name: 'set-vars that build on each other, and keep their types',
    policy: `
on_http_request:
  - actions:
      - type: set-vars
        config:
          vars:
            - parts: "\${req.url.path.split('/').filter(p, p != '')}"
            - count: "\${vars.parts.size()}"
            - tenant: "\${vars.count > 0 ? vars.parts[0] : 'none'}"
            - limits: { free: 1, paid: 100 }
  - expressions: ["vars.count > 2 && vars.limits.free == 1"]
    actions: [{ type: set-vars, config: { vars: [{ tenant: "\${vars.tenant + '-deep'}" }] } }]
  - actions: [{ type: add-headers, config: { headers: { x-tenant: "\${vars.tenant} \${vars.count + 1}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-tenant': 'none 1' } } }],
      ['GET /acme/x', { status: 200, app: { headers: { 'x-tenant': 'acme 3' } } }],
      ['GET /acme/x/y', { status: 200, app: { headers: { 'x-tenant': 'acme-deep 4' } } }],
    ],
  },
  {
    name: 'set-vars that remember what a rewrite changes',
    policy: `
on_http_request:
  - actions:
      - { type: set-vars, config: { vars: [{ before: "\${req.url.path}" }] } }
      - { type: url-rewrite, config: { from: '/old/(.*)', to: '/new/$1' } }
  - expressions: ["vars.before != req.url.path"]
    actions: [{ type: add-headers, config: { headers: { x-before: "\${vars.before}" } } }]
`,
    visits: [
      ['GET /old/a', { status: 200, app: { target: 'GET /new/a', headers: { 'x-before': '/old/a' } } }],
      ['GET /new/a', { status: 200, app: { headers: { 'x-before': undefined } } }],
    ],
  },
  {
    name: 'rate-limit that only counts, and a rule for those who are many',
    policy: `
on_http_request:
  - actions:
      - type: rate-limit
        config: { name: told, enforce: false, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [conn.client_ip] }
  - expressions: [actions.ngrok.rate_limit.limited]
    actions: [{ type: add-headers, config: { headers: { x-many: "\${actions.ngrok.rate_limit.bucket_key}" } } }]
`,
    visits: [
      ['GET /', { status: 200, app: { headers: { 'x-many': undefined } } }],
      ['GET /', { status: 200, app: { headers: { 'x-many': '127.0.0.1' } }, log: /passed, because enforce is false/ }],
      ['GET /', { status: 200, app: { headers: { 'x-many': undefined } } }, { from: '127.0.0.2' }],
    ],
  },
  {
    name: 'rate-limit by what proxies say is the visitor, which is what the relay says',
    policy: `
on_http_request:
  - actions:
      - type: rate-limit
        config: { name: forwarded, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: ["req.headers['x-forwarded-for']"] }
`,
    visits: [
      ['GET /', 200, { headers: { 'x-forwarded-for': '10.0.0.1' } }],
      ['GET /', 429, { headers: { 'x-forwarded-for': '10.0.0.2' } }],
      ['GET /', 200, { from: '127.0.0.3', headers: { 'x-forwarded-for': '10.0.0.1' } }],
    ],
  },
]
