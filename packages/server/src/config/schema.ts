// What may be written in relay.yml, with defaults and the sentences of docs/configuration.md. One value is checked
// here at a time; what several values must agree on is checked in check-config.ts. Pure: no I/O, no clock.

import { labelProblem } from '@sallyport/protocol'
import { z } from 'zod'

import { Secret } from '../secret.ts'
import { parseCidr } from './cidr.ts'
import { clientKeySchema } from './client-key-schema.ts'
import type { ListenAddress } from './config.ts'
import { cookieDomainProblem } from './cookie-domain-problem.ts'
import { basicAuthSchema, jwtValidationSchema, serviceTokenSchema } from './credentials-schema.ts'
import { parseDuration } from './duration.ts'
import { headerNameProblem, headerValueProblem } from './header-problem.ts'
import { hostPatternProblem, isLoopbackHost } from './host-pattern.ts'
import { routePathProblem } from './route-path-problem.ts'

const MIB = 1024 * 1024
/** Each has a link to every other one. */
export const WORKERS_MAX = 64
export const WORKERS_PROBLEM = `must be auto or a number from 1 to ${WORKERS_MAX}`

// ── limits and timeouts ──────────────────────────────────────────────────────────────────────────────────────────

export const limitsSchema = z.strictObject({
  header_bytes: count(
    32_768,
    1024,
    1024 * 1024,
    'Bytes of one request head from a visitor. More is answered with 431.',
  ),
  headers_count: count(200, 10, 10_000, 'Header fields of one request from a visitor. More is answered with 431.'),
  streams_per_connection: count(
    128,
    1,
    10_000,
    'Requests and WebSockets open at once on one HTTP/2 connection of a visitor. Further ones are refused.',
  ),
  visitor_connections: count(
    20_000,
    1,
    10_000_000,
    'Visitor connections open at once. Further ones are closed at once.',
  ),
  visitor_connections_per_address: count(2000, 1, 10_000_000, 'Visitor connections open at once from one address.'),
  exchanges_per_session: count(
    4096,
    1,
    1_000_000,
    'Streams open at once inside one tunnel session: requests, upgrades and idle pooled streams together.',
  ),
  agent_sessions: count(20_000, 1, 10_000_000, 'Tunnel sessions open at once.'),
  endpoints_per_authtoken: count(
    64,
    1,
    100_000,
    'Hosts that agents of one authtoken hold with `agent http`. One whose agent is away is given up for a new one.',
  ),
  tunnels_per_agent: count(64, 1, 100_000, 'Tunnels of one agent, counted over all of its tunnel sessions.'),
  session_buffer_bytes: count(
    32 * MIB,
    MIB,
    4096 * MIB,
    'Bytes that one tunnel session may hold for visitors that read slowly. At the cap the longest-stalled stream is reset.',
  ),
  stream_window_bytes: count(
    16 * MIB,
    256 * 1024,
    1024 * MIB,
    'The largest window of one stream: what may be under way before it is read. Small streams never get there.',
  ),
  idle_streams_per_tunnel: count(
    512,
    0,
    100_000,
    'Kept-alive streams that wait for the next request, for each tunnel. Each is a connection to the app, and there are never more than requests were under way at once a moment ago.',
  ),
  upstream_header_bytes: count(
    65_536,
    1024,
    1024 * 1024,
    'Bytes of one response head from an app. More is answered with 502.',
  ),
  request_buffer_bytes: count(
    65_536,
    0,
    16 * MIB,
    'Bytes of a request body kept until the agent has reached the app, so that the next tunnel can be tried.',
  ),
  failed_agent_logins_per_minute: count(
    20,
    1,
    1_000_000,
    'Refused authtokens from one address in a minute, before 429.',
  ),
  failed_passwords_per_minute: count(
    20,
    1,
    1_000_000,
    'Wrong passwords for `basic-auth` from one address in a minute, before 429.',
  ),
  callbacks_per_minute: count(
    60,
    1,
    1_000_000,
    'Sign-in callbacks, or refused sign-outs by a provider, from one address in a minute, before 429.',
  ),
})

export const timeoutsSchema = z.strictObject({
  request_head_seconds: seconds(
    15,
    'A visitor has sent the whole head of a request, or the connection is closed with 408.',
  ),
  request_stall_seconds: seconds(60, 'How long the body of a request may stand still. Slow is fine, silent is not.'),
  app_reply_seconds: seconds(10, 'The agent has said whether it reached the app.'),
  app_answer_seconds: seconds(120, 'The app has sent the head of its response, or the visitor gets 504.'),
  app_stall_seconds: seconds(3600, 'How long a response that has begun may stand still before it is cut.'),
  visitor_stall_seconds: seconds(60, 'How long a visitor may take no byte of a response that waits for them.'),
  upgrade_idle_seconds: seconds(3600, 'How long an upgraded connection (WebSocket) may be silent in both directions.'),
  keep_alive_seconds: seconds(75, 'How long a visitor connection waits for its next request.'),
  idle_stream_seconds: seconds(
    4,
    'How long a kept-alive stream to an app waits for its next request. Keep it below the keep-alive of the app; Node.js apps close after 5 s.',
  ),
  agent_handshake_seconds: seconds(10, 'An agent has sent its hello after the WebSocket has opened.'),
  drain_seconds: seconds(30, 'How long the relay waits at its end for exchanges to finish.'),
  provider_seconds: seconds(10, 'One request to an identity provider.'),
})

// ── actions ──────────────────────────────────────────────────────────────────────────────────────────────────────

// What the relay itself puts into the authorization request: RFC 6749 4.1.1, RFC 7636 4.3, RFC 9101 5.
const OWN_AUTHORIZATION_PARAMETERS = new Set([
  'client_id',
  'client_secret',
  'code_challenge',
  'code_challenge_method',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
])

const claimSchema = z.union(
  [
    text().refine((name) => !name.startsWith('['), 'is not the name of a claim; a list stands without quotes'),
    z.array(text()).min(1, 'leads nowhere; write the names that lead to the claim').max(8),
  ],
  { error: 'must be the name of a claim, or the list of names that lead to it' },
)

function peopleSchema(key: 'allow' | 'deny') {
  const may = key === 'allow' ? 'may pass' : 'may not pass'
  const emptyMeans = key === 'allow' ? 'nobody' : 'no denial'
  return z
    .strictObject({
      emails: filledList(
        text()
          .toLowerCase()
          .refine(
            (email) => /^[^@\s]+@[^@\s]+$/.test(email),
            'is not an email address; write for example ada@example.com',
          ),
        emptyMeans,
        'an email address',
      )
        .exactOptional()
        .describe(`Email addresses that ${may}.`),
      domains: filledList(
        text()
          .toLowerCase()
          .refine(
            (domain) => hostPatternProblem(domain) === undefined && !domain.startsWith('*.'),
            'is not a domain; write what stands behind the @, for example example.com',
          ),
        emptyMeans,
        'a domain',
      )
        .exactOptional()
        .describe(`Domains of email addresses that ${may}. \`example.com\` does not include \`sub.example.com\`.`),
      groups: z
        .strictObject({
          claim: claimSchema
            .default('groups')
            .describe('The claim that lists the groups, written as under `claims`. The app gets these groups.'),
          any_of: claimValues(emptyMeans, 'a group').meta({ examples: ['[staff]'] }),
        })
        .exactOptional()
        .describe(`Groups that ${may}.`),
      claims: filledList(
        z.strictObject({
          claim: claimSchema
            .describe(
              'The claim: its whole name, such as `https://example.com/roles`, or a path with dots, such as `realm_access.roles`. Where names inside a path contain dots, a list of names: `[resource_access, my.app, roles]`.',
            )
            .meta({ examples: ['department'] }),
          any_of: claimValues(emptyMeans, 'a value').meta({ examples: ['[engineering]'] }),
        }),
        emptyMeans,
        'a claim',
      )
        .exactOptional()
        .describe(`Claims with values that ${may}.`),
    })
    .refine(
      (people) => Object.values(people).some((list) => list !== undefined),
      key === 'allow'
        ? 'an empty allow would allow nobody; remove it, or add emails, domains, groups or claims'
        : 'an empty deny would deny nobody; remove it, or add emails, domains, groups or claims',
    )
}

function claimValues(emptyMeans: string, entry: string) {
  // Claims may be numbers or true and false; sessions keep them as text.
  const value = z.preprocess(
    (written) => (typeof written === 'number' || typeof written === 'boolean' ? String(written) : written),
    text()
      .max(256)
      .refine((written) => written.trim() !== '', 'must not be empty'),
  )
  return filledList(value, emptyMeans, entry).describe('One of these is enough. Compared whole and with case.')
}

const signInShape = {
  issuer_url: text()
    .superRefine((issuer, context) => {
      const problem = issuerProblem(issuer)
      if (problem) context.addIssue(problem)
    })
    .describe('The identity provider, exactly as it calls itself in its discovery document. https, except on loopback.')
    .meta({ examples: ['https://login.example.com'] }),
  client_id: text()
    .describe('As given out by the identity provider.')
    .meta({ examples: ['sallyport'] }),
  client_secret: secretText()
    .exactOptional()
    .describe('As given out by the identity provider. Best written as "${OIDC_SECRET}".'),
  scopes: filledList(
    text().refine((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope), 'is not a scope; write one scope per entry'),
    'no scope',
    'openid',
  )
    .refine((scopes) => scopes.includes('openid'), 'must contain openid, which is what asks for an ID token')
    .default(['openid', 'profile', 'email'])
    .describe('What is asked of the identity provider.'),
  auth_id: text()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'may contain 1 to 64 letters, digits, _ and -')
    .exactOptional()
    .describe(
      'Names the sign-in. Routes of an edge with the same one share a session. By default a short hash of issuer and client id.',
    ),
  client_authentication: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .exactOptional()
    .describe(
      'How the relay authenticates at the provider. By default `private_key_jwt` with a `client_key`; with a `client_secret` what the provider offers, basic first; `none`, with PKCE only, for a public client without either.',
    ),
  client_key: clientKeySchema
    .exactOptional()
    .describe('The key for `private_key_jwt`; register its public half at the provider.'),
  id_token_alg: z
    .enum(['HS256'])
    .exactOptional()
    .describe(
      'Set only where the provider signs ID tokens with the client secret. By default the asymmetric algorithms that the provider lists.',
    ),
  authz_url_params: z
    .record(
      text().refine((name) => !OWN_AUTHORIZATION_PARAMETERS.has(name), 'is set by the relay itself; remove this line'),
      z.string(),
    )
    .refine(
      ({ max_age }) => max_age === undefined || /^\d{1,9}$/.test(max_age),
      'max_age is a number of seconds; write for example max_age: "3600"',
    )
    .exactOptional()
    .describe(
      'Further parameters of the authorization request, for example `prompt`, `acr_values` or `domain_hint`. What `max_age` asks for is checked afterwards.',
    ),
  force_reauthentication: flag()
    .default(false)
    .describe(
      'Every sign-in asks for the credentials anew (`prompt=login`, `max_age=0`), and fails where the provider does not prove it by `auth_time`.',
    ),
  auth_cookie_domain: text()
    .toLowerCase()
    .superRefine((domain, context) => {
      const problem = cookieDomainProblem(domain)
      if (problem) context.addIssue(problem)
    })
    .exactOptional()
    .describe(
      'Shares sessions with other edges under this domain that say the same, with the same `auth_id`, issuer and client. Every host under it gets the cookie, also one that is no edge. By default a session belongs to one edge and one host.',
    ),
  allow_cors_preflight: flag()
    .default(false)
    .describe(
      'Lets CORS preflights pass to the app without a session: OPTIONS with `Origin` and `Access-Control-Request-Method`, without body and credentials.',
    ),
  idle_session_duration: duration().prefault('12h').describe('A session ends when it has not been used for so long.'),
  max_session_duration: duration().prefault('7d').describe('A session ends so long after the sign-in, used or not.'),
  userinfo_refresh_interval: duration()
    .exactOptional()
    .describe(
      'How long what the provider says about a visitor is taken for true, 10 seconds at least; then it is asked again, where it has given a refresh token. By default until the ID token expires, between a minute and an hour.',
    ),
  allow: peopleSchema('allow')
    .exactOptional()
    .describe('Who may pass after signing in. One match is enough. Without it, everyone whom the provider signs in.'),
  deny: peopleSchema('deny')
    .exactOptional()
    .describe('Who may not pass. One match is enough, and it wins over `allow`. Addresses count here also unverified.'),
  email_verified: z
    .enum(['required', 'if_present'])
    .default('required')
    .describe(
      'Which email addresses count, for `allow` and for the app: those that the provider calls verified (`required`), or also those about which it says nothing (`if_present`), for providers that never send `email_verified`. An address that it calls unverified never counts.',
    ),
  allowed_origins: filledList(
    text()
      .superRefine((origin, context) => {
        if (originOf(origin) !== origin.toLowerCase())
          context.addIssue('is not an origin; write for example https://app.example.com, without a path')
      })
      .toLowerCase(),
    'no other site',
    'an origin',
  )
    .exactOptional()
    .describe('Origins of other sites whose pages may open WebSockets here.'),
  identity_jwt: flag()
    .exactOptional()
    .describe('Whether the app gets `Sallyport-Auth-Jwt`. By default as the top-level `identity_jwt` says.'),
  forward_access_token: flag()
    .default(false)
    .describe(
      'Whether the app gets the access token of the provider as `Sallyport-Auth-Access-Token`, while it is good. With it the app can do at the provider what the `scopes` allow.',
    ),
  title: text()
    .max(80)
    .exactOptional()
    .describe('What visitors choose by where there are several sign-ins. By default host and path of `issuer_url`.'),
}

export const openidConnectSchema = z.strictObject({
  ...signInShape,
  alternatives: z
    .array(z.strictObject(signInShape))
    .min(1, 'an empty list would change nothing; remove it or add a provider')
    .max(20)
    .exactOptional()
    .describe(
      'Further providers, each with the keys of this table. A session of any of them will do, by its own `allow` and `deny`; visitors without one choose on a page.',
    ),
})

export const restrictIpsSchema = z
  .strictObject({
    allow: filledList(cidr(), 'nobody', 'an address range')
      .exactOptional()
      .describe('Address ranges that may pass. Without it, all that `deny` does not name.'),
    deny: filledList(cidr(), 'no range', 'an address range')
      .exactOptional()
      .describe('Address ranges that may not pass. It wins over `allow`.'),
  })
  .refine(
    ({ allow, deny }) => allow !== undefined || deny !== undefined,
    'says nothing; add allow or deny with address ranges',
  )

export const addHeadersSchema = z.strictObject({
  headers: headerValues()
    .describe('Name and value of each header. One that is there already is replaced.')
    .meta({ examples: ['{ X-Environment: staging }'] }),
})

export const removeHeadersSchema = z.strictObject({
  headers: filledList(headerName(), 'no header', 'a header name')
    .describe('Names of headers, in any case.')
    .meta({ examples: ['[X-Debug]'] }),
})

export const denySchema = z.strictObject({
  status_code: z
    .preprocess(numberOf, z.int().min(400).max(599))
    .default(403)
    .describe('The status of the answer, 400 to 599.'),
})

const headerActions = [
  z.strictObject({ type: z.literal('add-headers'), config: addHeadersSchema }),
  z.strictObject({ type: z.literal('remove-headers'), config: removeHeadersSchema }),
] as const

const admittingActions = [
  z.strictObject({ type: z.literal('openid-connect'), config: openidConnectSchema }),
  z.strictObject({ type: z.literal('service-token'), config: serviceTokenSchema.prefault({}) }),
  z.strictObject({ type: z.literal('jwt-validation'), config: jwtValidationSchema }),
  z.strictObject({ type: z.literal('basic-auth'), config: basicAuthSchema }),
  z.strictObject({ type: z.literal('restrict-ips'), config: restrictIpsSchema }),
] as const

export const anyOfSchema = z.strictObject({
  actions: z
    .array(z.discriminatedUnion('type', admittingActions))
    .min(2, 'needs a second action; write a single one without any-of')
    .refine(
      (actions) => actions.slice(0, -1).every(({ type }) => type !== 'openid-connect'),
      'asks people to sign in at openid-connect, so nothing behind it would be reached; move it to the end',
    )
    .describe('One of them is enough; they are tried in order. `openid-connect` stands last.')
    .meta({ examples: ['[{ type: service-token }, { type: openid-connect, config: … }]'] }),
})

const requestActionSchema = z.discriminatedUnion('type', [
  ...admittingActions,
  z.strictObject({ type: z.literal('any-of'), config: anyOfSchema }),
  z.strictObject({ type: z.literal('deny'), config: denySchema.prefault({}) }),
  ...headerActions,
])

const responseActionSchema = z.discriminatedUnion('type', [...headerActions])

// ── edges ────────────────────────────────────────────────────────────────────────────────────────────────────────

export const balanceSchema = z.enum(['least_in_flight', 'round_robin', 'random'])

export const fixedResponseSchema = z
  .strictObject({
    status: z
      .preprocess(numberOf, z.int().min(200).max(599))
      .describe('The status of the answer, 200 to 599.')
      .meta({ examples: ['503'] }),
    headers: headerValues()
      .default({})
      .describe('Headers of the answer. `Content-Type` is `text/plain; charset=utf-8` unless it is here.'),
    body: z.string().max(65_536).default('').describe('The body of the answer.'),
  })
  .refine(
    ({ status, body }) => body === '' || (status !== 204 && status !== 304),
    'a 204 or 304 has no body; remove it',
  )

export const stickySchema = z.strictObject({
  cookie: text()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'may contain 1 to 64 letters, digits, _ and -')
    .describe('Names the cookie, which is `__Host-sallyport.<name>.tunnel`.')
    .meta({ examples: ['shop'] }),
  max_age: duration().exactOptional().describe('How long a browser keeps the cookie. By default until it is closed.'),
})

const plainBackend = {
  labels: z
    .record(z.string(), z.string())
    .superRefine((labels, context) => {
      for (const [key, value] of Object.entries(labels)) {
        const problem = labelProblem(key, value)
        if (problem) context.addIssue({ code: 'custom', message: problem, path: [key] })
      }
      if (Object.keys(labels).length === 0)
        context.addIssue('an empty selector would match every tunnel; write for example { edge: edg_docs }')
    })
    .transform((labels) => new Map(Object.entries(labels)))
    .exactOptional()
    .describe('The tunnels that have all of these labels share the visitors.'),
  balance: balanceSchema
    .exactOptional()
    .describe('How they share: the fewest requests under way (`least_in_flight`, the default), in turn, or by chance.'),
  fixed_response: fixedResponseSchema.exactOptional().describe('The relay answers by itself; no agent is asked.'),
}

const plainBackendSchema = z.strictObject(plainBackend)

const weightedBackend = {
  ...plainBackend,
  weighted: z
    .array(
      z.strictObject({
        backend: plainBackendSchema.describe('`labels`, with or without `balance`, or `fixed_response`.'),
        weight: z
          .preprocess(numberOf, z.int().min(0).max(10_000))
          .describe('Its share, 0 to 10000, of the sum of all. 0 is off.')
          .meta({ examples: ['10'] }),
      }),
    )
    .min(2, 'shares visitors between two backends or more; write a single one without weighted')
    .refine(
      (branches) => branches.some(({ weight }) => weight > 0),
      'has no weight above 0, so nobody would be served; raise one',
    )
    .exactOptional()
    .describe(
      'Backends that share the visitors by weight. The share of one that has nothing to dial goes to the others.',
    ),
}

const weightedBackendSchema = z.strictObject(weightedBackend)

export const backendSchema = z.strictObject({
  ...weightedBackend,
  failover: z
    .array(weightedBackendSchema)
    .min(2, 'needs a second backend to fall over to; write a single one without failover')
    .exactOptional()
    .describe('Backends in order: the next serves only while those before it have no tunnel that works.'),
  sticky: stickySchema
    .exactOptional()
    .describe('Visitors come back to the tunnel that served them, by a cookie of the relay, while it works.'),
})

const policySchema = z.strictObject({
  on_http_request: z
    .array(
      z.strictObject({
        name: text().exactOptional().describe('For people, and for the log.'),
        actions: filledList(requestActionSchema, 'nothing to do', 'an action')
          .describe('Run in order.')
          .meta({ examples: ['[{ type: deny }]'] }),
      }),
    )
    .default([])
    .describe('Runs before a byte of the request is sent to an agent, upgrades included.'),
  on_http_response: z
    .array(
      z.strictObject({
        name: text().exactOptional().describe('For people, and for the log.'),
        actions: filledList(responseActionSchema, 'nothing to do', 'an action')
          .describe('Run in order.')
          .meta({ examples: ['[{ type: remove-headers, config: { headers: [Server] } }]'] }),
      }),
    )
    .default([])
    .describe('Runs on the head of the response of the app.'),
})

const routeSchema = z.strictObject({
  exact_path: routePath('exact_path')
    .exactOptional()
    .describe('Serves this path only. Case-sensitive. Wins over every prefix.'),
  path_prefix: routePath('path_prefix')
    .exactOptional()
    .describe('Serves this path and everything below it. Case-sensitive. The longest prefix wins.'),
  backend: backendSchema
    .exactOptional()
    .describe('Where allowed visitors go. By default the tunnels with the label `edge=<id of the edge>`.'),
  policy: policySchema
    .exactOptional()
    .describe('What happens to requests and responses. Without it, every visitor passes.'),
})

export const edgeSchema = z.strictObject({
  id: text()
    .regex(/^edg_[A-Za-z0-9_-]{1,64}$/, 'must be edg_ and then 1 to 64 letters, digits, _ or -, for example edg_docs')
    .describe('Names the edge in labels, logs and sessions.')
    .meta({ examples: ['edg_docs'] }),
  hosts: filledList(
    text()
      .toLowerCase()
      .superRefine((host, context) => {
        const problem = hostPatternProblem(host)
        if (problem) context.addIssue(problem)
      }),
    'no host',
    'a host',
  )
    .describe(
      'The hosts that lead here. `*.example.com` stands for every host below example.com. An exact host wins over a wildcard.',
    )
    .meta({ examples: ['[docs.example.com]'] }),
  origin: text()
    .superRefine((origin, context) => {
      if (originOf(origin) !== origin.toLowerCase())
        context.addIssue('is not an origin; write for example https://docs.example.com, without a path')
    })
    .toLowerCase()
    .exactOptional()
    .describe('The origin that visitors see, where it is not the scheme and port of `public_url` with the host.'),
  description: z.string().max(255).exactOptional().describe('For people.'),
  metadata: z.string().max(4096).exactOptional().describe('For machines; the relay only keeps it.'),
  routes: z
    .array(routeSchema)
    .min(1, 'no route would serve nothing; remove it for one route that serves all paths')
    .exactOptional()
    .describe('Parts of the site by path. Without it, one route serves all paths.'),
  backend: backendSchema.exactOptional().describe('Short form for an edge without `routes`.'),
  policy: policySchema.exactOptional().describe('Short form for an edge without `routes`.'),
})

// ── the whole file ───────────────────────────────────────────────────────────────────────────────────────────────

export const configSchema = z.strictObject({
  domain: text()
    .toLowerCase()
    .superRefine((domain, context) => {
      const problem = domain.startsWith('*.') ? `leave the *. away: ${domain.slice(2)}` : hostPatternProblem(domain)
      if (problem) context.addIssue(problem)
    })
    .describe('The domain of the relay. Edges may name any host, under it or not.')
    .meta({ examples: ['example.com'] }),
  public_url: z
    .string()
    .describe(
      'How agents and sign-in callbacks reach the relay. `<public_url>/oidc/callback` is the redirect URI to register at every identity provider.',
    )
    .meta({ examples: ['https://relay.example.com'] })
    .transform((written, context) => {
      const parsed = publicUrl(written)
      if (parsed instanceof URL) return parsed
      context.addIssue(parsed)
      return z.NEVER
    }),
  listen: z
    .strictObject({
      http: listenAddress(undefined)
        .exactOptional()
        .describe('Visitors and agents without TLS. With `https` beside it, visitors are redirected there.'),
      https: listenAddress(undefined)
        .exactOptional()
        .describe('Visitors and agents with TLS. Needs `tls.certificates`.'),
      http2: z
        .enum(['none', 'tls', 'all'])
        .default('tls')
        .describe(
          'Where visitors may speak HTTP/2: `tls` over `https` (ALPN), `all` also over `http` with prior knowledge, for example behind a load balancer, `none` nowhere.',
        ),
      admin: listenAddress('127.0.0.1')
        .prefault('127.0.0.1:4041')
        .describe('Health, metrics and the API. Keep it on loopback or a private network.'),
    })
    .refine(
      ({ http, https }) => http !== undefined || https !== undefined,
      'visitors need a way in; add http: 0.0.0.0:80 or https: 0.0.0.0:443',
    )
    .describe('Where the relay listens: `host:port`, or a port alone.')
    .meta({ examples: ['{ http: 0.0.0.0:80 }'] }),
  tls: z
    .strictObject({
      certificates: z
        .array(
          z.strictObject({
            cert_file: text()
              .describe('PEM, the certificate of the host first, then the chain.')
              .meta({ examples: ['/etc/sallyport/example.com.crt'] }),
            key_file: text()
              .describe('PEM, the private key.')
              .meta({ examples: ['/etc/sallyport/example.com.key'] }),
          }),
        )
        .default([])
        .describe(
          'Chosen by the host that a visitor asks for; the first is the one for all others. Read again when the files change.',
        ),
    })
    .prefault({})
    .describe('Certificates for `listen.https`. Relative paths start at the folder of the configuration file.'),
  store: text()
    .superRefine((store, context) => {
      if (!/^sqlite:.+/.test(store) || store.startsWith('sqlite://'))
        context.addIssue('must be sqlite: and the path of a file, for example sqlite:/var/lib/sallyport/relay.db')
    })
    .exactOptional()
    .describe(
      'Where authtokens and sessions live. By default `sallyport/relay.db` in `XDG_DATA_HOME` or `~/.local/share`. The key of the relay stands in the same folder, unless `SALLYPORT_SECRET` is set.',
    ),
  workers: z
    .union([z.literal('auto'), z.int().min(1).max(WORKERS_MAX)], { error: WORKERS_PROBLEM })
    .default(1)
    .describe(
      'How many processes serve, sharing the ports: a number, or `auto` for one on each core. Limits count for each, and each takes the memory of a relay. `relay start --workers` says otherwise. Linux and BSD only.',
    ),
  trusted_proxies: z
    .array(cidr())
    .default([])
    .describe(
      'Address ranges of proxies in front of the relay whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Nobody by default.',
    ),
  require_sign_in: flag()
    .default(false)
    .describe('Whether `agent http` may only make endpoints where visitors sign in (`--oidc`). Edges are not meant.'),
  identity_jwt: flag()
    .default(true)
    .describe('Whether apps get the signed identity of a visitor as `Sallyport-Auth-Jwt`. Actions may say otherwise.'),
  log: z
    .strictObject({
      level: z
        .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
        .default('info')
        .describe('The least level that is written.'),
      access: flag()
        .default(true)
        .describe('Whether each exchange is written as a line, without query and headers. Problems always are.'),
      format: z
        .enum(['pretty', 'json'])
        .exactOptional()
        .describe('By default pretty on a terminal and json elsewhere.'),
    })
    .prefault({})
    .describe('The log, on standard output.'),
  limits: limitsSchema.prefault({}).describe('How much of everything. Nothing in the relay is without a limit.'),
  timeouts: timeoutsSchema.prefault({}).describe('How long for everything, in seconds; decimals are fine.'),
  edges: z.array(edgeSchema).default([]).describe('The public entries.'),
})

// ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

function text(): z.ZodString {
  return z.string().min(1, 'must not be empty')
}

// Has its own sentence, because the usual one repeats what was written.
function secretText() {
  return z
    .string('must be text; put it in quotes')
    .min(1, 'must not be empty')
    .transform((written) => new Secret(written))
}

/** A list that says what an empty one would have meant. */
function filledList<T extends z.ZodType>(element: T, emptyMeans: string, entry: string) {
  return z
    .array(element)
    .min(1, { error: `an empty list would mean ${emptyMeans}; remove it or add ${entry}`, abort: true })
}

// `${PORT}` gives text, so numbers and flags are also taken from text.
function numberOf(written: unknown): unknown {
  return typeof written === 'string' && /^-?\d+(\.\d+)?$/.test(written) ? Number(written) : written
}

function count(preset: number, min: number, max: number, meaning: string) {
  return z.preprocess(numberOf, z.int().min(min).max(max)).default(preset).describe(meaning)
}

function seconds(preset: number, meaning: string) {
  // A day at most, so that no timer passes the 2^31 ms of Node.js.
  return z.preprocess(numberOf, z.number().positive().max(86_400)).default(preset).describe(meaning)
}

function flag() {
  return z.preprocess((written) => (written === 'true' ? true : written === 'false' ? false : written), z.boolean())
}

function duration() {
  return z
    .union([z.string(), z.number()], { error: 'must be a duration such as 15m, 8h or 7d, or a number of seconds' })
    .transform((written, context) => {
      const milliseconds = parseDuration(written)
      if (milliseconds !== undefined) return milliseconds
      context.addIssue(`"${written}" is not a duration; write for example 15m, 8h or 7d, or a number of seconds`)
      return z.NEVER
    })
}

function cidr() {
  return text().superRefine((written, context) => {
    const parsed = parseCidr(written)
    if ('problem' in parsed) context.addIssue(parsed.problem)
  })
}

function headerValues() {
  return z.record(
    headerName(),
    z.string().superRefine((value, context) => {
      const problem = headerValueProblem(value)
      if (problem) context.addIssue(problem)
    }),
  )
}

function headerName() {
  return text().superRefine((name, context) => {
    const problem = headerNameProblem(name)
    if (problem) context.addIssue(problem)
  })
}

function routePath(kind: 'exact_path' | 'path_prefix') {
  return text().superRefine((path, context) => {
    const problem = routePathProblem(path, kind)
    if (problem) context.addIssue(problem)
  })
}

function listenAddress(hostOfPort: string | undefined) {
  return z
    .union([z.string(), z.number()], { error: 'must be host:port or a port, for example 0.0.0.0:8080' })
    .transform((written, context): ListenAddress => {
      const parts = /^(?:(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]+):)?(\d{1,5})$/.exec(String(written))
      if (!parts || Number(parts[2]) > 65_535) {
        context.addIssue(
          `"${written}" is not an address to listen on; write host:port or a port, for example 0.0.0.0:8080`,
        )
        return z.NEVER
      }
      const host = parts[1]?.replace(/^\[(.*)\]$/, '$1') ?? hostOfPort
      return { ...(host !== undefined && { host }), port: Number(parts[2]) }
    })
}

function publicUrl(written: string): URL | string {
  const url = URL.parse(written)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return `"${written}" is not an http or https URL; write for example https://relay.example.com`
  }
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) {
    return `must name scheme, host and port only; write ${url.origin}`
  }
  return url
}

function issuerProblem(issuer: string): string | undefined {
  const url = URL.parse(issuer)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return `"${issuer}" is not a URL; write for example https://login.example.com`
  // OpenID Connect Discovery 1.0, section 3: https, without query or fragment.
  if (url.search || url.hash || url.username || url.password) return 'must be scheme, host and path only'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return 'must be https, or anyone on the way could sign in as anyone'
  if (issuer.endsWith('/.well-known/openid-configuration'))
    return `leave /.well-known/openid-configuration away: ${issuer.slice(0, -'/.well-known/openid-configuration'.length)}`
  return undefined
}

function originOf(written: string): string | undefined {
  const url = URL.parse(written)
  return url && (url.protocol === 'https:' || url.protocol === 'http:') ? url.origin : undefined
}
