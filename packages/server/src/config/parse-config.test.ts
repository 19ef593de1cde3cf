import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'

import { ConfigError } from '../errors.ts'
import type { Config } from './config.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { localConfig } from './load-config.ts'
import { loadLanguage } from '../policy/language.ts'
import { parseConfig } from './parse-config.ts'

const TOP = `
domain: example.com
public_url: https://relay.example.com
listen: { http: 0.0.0.0:80 }
`

describe('relay.yml', () => {
  it('fills in every default', () => {
    const config = parse(`${TOP}edges: [{ id: edg_docs, hosts: [Docs.Example.com] }]`)
    assert.deepEqual(config.edges, [
      {
        id: 'edg_docs',
        hosts: ['docs.example.com'],
        routes: [
          {
            path_prefix: '/',
            backend: { labels: new Map([['edge', 'edg_docs']]) },
            policy: { on_http_request: [], on_http_response: [] },
          },
        ],
      },
    ])
    assert.deepEqual(config.listen, {
      http: { host: '0.0.0.0', port: 80 },
      http2: 'tls',
      admin: { host: '127.0.0.1', port: 4041 },
      admin_hosts: [],
    })
    assert.deepEqual(config.trusted_proxies, [])
    assert.equal(config.limits.header_bytes, 32_768)
    assert.equal(config.timeouts.idle_stream_seconds, 4)
  })

  it('reads policy and backend of an edge without routes as one route for all paths', () => {
    const { edges } = parse(
      `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], backend: { labels: { app: x } }, policy: { on_http_request: [{ actions: [{ type: deny }] }] } }]`,
    )
    assert.deepEqual(edges[0]?.routes, [
      {
        path_prefix: '/',
        backend: { labels: new Map([['app', 'x']]) },
        policy: {
          on_http_request: [{ actions: [{ type: 'deny', config: { status_code: 403 } }] }],
          on_http_response: [],
        },
      },
    ])
  })

  it('completes openid-connect: durations in ms, a stable auth_id, the top-level identity_jwt', () => {
    const config = signIn('idle_session_duration: 15m, max_session_duration: 5400')
    assert.equal(config.idle_session_duration, 900_000)
    assert.equal(config.max_session_duration, 5_400_000)
    assert.deepEqual(config.scopes, ['openid', 'profile', 'email'])
    assert.equal(config.identity_jwt, true)
    assert.match(config.auth_id, /^[0-9a-f]{10}$/)
    assert.equal(config.auth_id, signIn('scopes: [openid]').auth_id)
    assert.notEqual(config.auth_id, signIn('client_id: other').auth_id)
    assert.equal(signIn('identity_jwt: false, auth_id: mine').identity_jwt, false)
    assert.equal(signIn('auth_id: mine').auth_id, 'mine')
  })

  it('takes a session that is shorter than the default idle time', () => {
    assert.equal(signIn('max_session_duration: 8h').max_session_duration, 8 * 3_600_000)
  })

  it('reads numbers, flags and ports that come from the environment', () => {
    const text =
      'domain: example.com\npublic_url: https://relay.example.com\nlisten: { http: "${PORT}" }\nidentity_jwt: ${JWT:false}\nlimits: { header_bytes: "${BYTES}" }'
    const config = parse(text, { PORT: '8080', BYTES: '2048' })
    assert.deepEqual(config.listen.http, { port: 8080 })
    assert.equal(config.identity_jwt, false)
    assert.equal(config.limits.header_bytes, 2048)
  })

  it('resolves files from the folder of the configuration', () => {
    const config = parse(
      'domain: e.com\npublic_url: https://r.e.com\nlisten: { https: 443 }\ntls: { certificates: [{ cert_file: a.crt, key_file: /k/a.key }] }\nstore: sqlite:data/relay.db',
    )
    assert.deepEqual(config.tls.certificates, [{ cert_file: '/etc/sallyport/a.crt', key_file: '/k/a.key' }])
    assert.equal(signIn('client_key: { file: client.pem }').client_key?.file, '/etc/sallyport/client.pem')
    assert.deepEqual(config.store, { type: 'sqlite', path: '/etc/sallyport/data/relay.db' })
  })

  it('keeps the store in the data folder of the user, ignoring a relative XDG_DATA_HOME', () => {
    assert.equal(localConfig({ HOME: '/h' }).store.path, '/h/.local/share/sallyport/relay.db')
    assert.equal(localConfig({ HOME: '/h', XDG_DATA_HOME: '/x' }).store.path, '/x/sallyport/relay.db')
    assert.equal(localConfig({ HOME: '/h', XDG_DATA_HOME: 'x' }).store.path, '/h/.local/share/sallyport/relay.db')
  })

  it('listens on loopback only in local mode', () => {
    const { listen, edges, public_url: publicUrl } = localConfig({ HOME: '/h' })
    assert.deepEqual(listen, {
      http: { host: '127.0.0.1', port: 8080 },
      http2: 'tls',
      admin: { host: '127.0.0.1', port: 4041 },
      admin_hosts: [],
    })
    assert.equal(publicUrl.origin, 'http://localhost:8080')
    assert.deepEqual(
      edges.map(({ id, hosts }) => [id, hosts]),
      [['edg_local', ['app.localhost']]],
    )
  })

  it('attack 44: a client secret is never printed, not even if it is wrong', () => {
    const config = signIn('client_secret: "the-secret-value"')
    assert.equal(config.client_secret?.reveal(), 'the-secret-value')
    assert.doesNotMatch(
      inspect(config, { depth: 9 }) + JSON.stringify(config) + String(config.client_secret),
      /the-secret/,
    )
    assert.doesNotMatch(
      problemsOf(edge('{ type: openid-connect, config: { client_secret: 123454321 } }')).join(),
      /12345/,
    )
  })
})

describe('problems in relay.yml', () => {
  it('B11: name a secret whose variable ends with a line end, without showing it', () => {
    const yaml = oidc('client_secret: "${OIDC_SECRET}"')
    const said = (secret: string): string => {
      try {
        parse(yaml, { OIDC_SECRET: secret })
        return ''
      } catch (error) {
        assert.ok(error instanceof ConfigError)
        return error.message
      }
    }
    assert.match(said('s3cret\n'), /config\.client_secret: ends with a line end; set the variable without it/)
    assert.ok(!said('s3cret\n').includes('s3cret'))
    assert.match(said(' s3cret'), /has a space around it/)
    assert.equal(said('s3 cret'), '')
  })

  it('accepts values as pages show them, and reports all problems at once (the first hour, 18)', () => {
    const edges = (pages: string): string => `edges: [{ id: edg_a, hosts: [a.example.com], pages: ${pages} }]`
    const config = parse(`${TOP}pages: { logo_file: a.png, accent: "#0B5A4A", contact: "Help: ask Ada" }
${edges('{ contact: "https://help.example.com/x" }')}`)
    assert.deepEqual(config.pages, { logo_file: '/etc/sallyport/a.png', accent: '#0b5a4a', contact: 'Help: ask Ada' })
    assert.deepEqual(config.edges[0]?.pages, { contact: 'https://help.example.com/x' })
    const problems = problemsOf(`${TOP}page_details: everybody
pages: { title: "two\\nlines", accent: red, contact: "javascript:alert(1)", logo: x.png }
${edges('{ accent: "#12345", contact: "mailto:nobody" }')}`).join('\n')
    for (const path of ['page_details', 'pages.title', 'pages.accent', 'pages.contact', 'pages.logo']) {
      assert.match(problems, new RegExp(`\\b${path}\\b`))
    }
    assert.match(problems, /edges\[0\]\.pages\.accent.*must be a colour in quotes/)
    assert.match(problems, /edges\[0\]\.pages\.contact.*not the address of a mailbox/)
    for (const contact of ['http://x', 'data:x', 'https://a b', 'https://u:p@x', 'mailto:a@b c', 'FILE:///x']) {
      assert.equal(problemsOf(`${TOP}pages: { contact: "${contact}" }`).length, 1, contact)
    }
    assert.match(problemsOf(`${TOP}pages:\n  accent: #0b5a4a\n`).join(), /in quotes/)
  })

  it('are all reported at once, each with its path and line', () => {
    const problems = problemsOf(`
domian: example.com
public_url: https://relay.example.com/x
listen: { htp: 80 }
trusted_proxies: [10.0.0.0/33]
edges:
  - id: edg_a
    hosts: [relay.example.com]
    routs: []
  - id: edg_a
    hosts: [a.example.com, b.example.com]
  - id: edg_c
    hosts: [b.example.com]
`)
    for (const expected of [
      'domian: there is no such key; did you mean domain? (line 2)',
      'domain: is missing; write for example example.com',
      'public_url: must name scheme, host and port only; write https://relay.example.com (line 3)',
      'listen.htp: there is no such key; did you mean http? (line 4)',
      'trusted_proxies[0]: "10.0.0.0/33": after the slash must be a number from 0 to 32, for example 10.0.0.0/32 (line 5)',
      'edges[0].routs: there is no such key; did you mean routes? (line 9)',
      'edges[1].id: edg_a is also the id of edges[0]; give each its own (line 10)',
      'edges[2].hosts[0]: b.example.com already leads to edg_a; a host can lead to one edge only (line 13)',
    ]) {
      assert.ok(problems.includes(expected), `${expected}\nis not in\n${problems.join('\n')}`)
    }
  })

  it('include every variable that is not set, and nothing about the value it would have filled', () => {
    const problems = problemsOf(
      'domain: example.com\npublic_url: ${URL}\nlisten: { http: 80 }\nstore: sqlite:${DIR}/${FILE:relay.db}',
    )
    assert.deepEqual(problems, [
      'public_url: the environment variable URL is not set; set it, or write ${URL:default} (line 2)',
      'store: the environment variable DIR is not set; set it, or write ${DIR:default} (line 4)',
    ])
  })

  it('include an unfinished variable, while $${ is literal', async () => {
    await loadLanguage()
    assert.match(problemsOf(`${TOP}store: "sqlite:\${DIR"`).join(), /"\$\{DIR" is not a variable/)
    const config = signIn('client_secret: "a$${b}c"')
    assert.equal(config.client_secret?.reveal(), 'a${b}c')
  })

  it('attack 37: __proto__ as a key is refused, not dropped', () => {
    const problems = problemsOf(
      `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], backend: { labels: { __proto__: x, edge: edg_a } } }]`,
    )
    assert.match(problems.join(), /edges\[0\]\.backend\.labels\.__proto__: cannot be used as a key/)
  })

  it('first-hour 24: include only the cause if the text is no YAML: a bracket, at its beginning', () => {
    const only = (yaml: string): string => {
      const [problem = '', ...more] = problemsOf(yaml)
      assert.deepEqual(more, [])
      return problem
    }
    const edges = '  - id: edg_a\n    hosts: [a.com]\n    policy: {}\n  - id: edg_b\n    hosts: [b.com]\nlisten: 80'
    assert.equal(
      only(`edges: [\n${edges}`),
      '/etc/sallyport/relay.yml: line 1: the [ here is still open at line 7; a ] is missing',
    )
    assert.equal(
      only('domain: a.com\nedges:\n  - id: edg_a\n    hosts: [a.com\n    policy: {}\nlisten: 80'),
      '/etc/sallyport/relay.yml: line 4: the [ here is still open at line 5; a ] is missing',
    )
    assert.equal(
      only('tls: { certificates: [{ cert_file: a, key_file: b }]\nlisten: 80\nedges: []'),
      '/etc/sallyport/relay.yml: line 1: the { here is still open at line 2; a } is missing',
    )
    assert.equal(
      only('edges: [\n  { id: edg_a, hosts: [a.com }\n]'),
      '/etc/sallyport/relay.yml: line 2: the [ here is still open at line 2; a ] is missing',
    )
    assert.match(
      only('domain: a: b\nlisten:\n\thttp: 80'),
      /^\/etc\/sallyport\/relay\.yml: line 1: a second ": " in one line, or .* in quotes$/,
    )
    assert.equal(
      only('listen:\n\thttp: 80\n\thttps: 443'),
      '/etc/sallyport/relay.yml: line 2: a tab; indent with spaces',
    )
    assert.match(
      only('listen: [80]]\ndomain: a\nedges: []'),
      /^\/etc\/sallyport\/relay\.yml: line 1: Unexpected flow-seq-end token/,
    )
    assert.equal(problemsOf('domain: a\ndomain: b\nlisten: 80\nlisten: 81').length, 2, 'each has a cause of its own')
  })

  it('include text that is not YAML, keys given twice, and bombs of aliases', () => {
    assert.match(problemsOf('domain: [').join(), /relay\.yml: line 1/)
    assert.match(
      problemsOf('domain: a.com\ndomain: b.com').join(),
      /relay\.yml: line 2: this key is there already; keep one of the two/,
    )
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let level = 1; level < 9; level++)
      bomb.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join()}]`,
      )
    assert.match(problemsOf(bomb.join('\n')).join(), /alias/i)
  })

  const cases: [name: string, yaml: string, expected: RegExp][] = [
    ['a host with a port', host('a.example.com:80'), /contains a port; remove it/],
    ['a URL as host', host('https://a.example.com'), /is a URL; write only its host/],
    ['a host with a path', host('a.example.com/x'), /contains a path/],
    ['a * in the middle of a host', host('a.*.com'), /is only possible alone at the beginning/],
    ['a * alone', host('*'), /would catch every host/],
    ['a host in Unicode', host('bücher.example'), /xn--bcher-kva\.example/],
    ['a host that is none', host('a/../b@c'), /path|not a host/],
    ['the host of public_url', host('relay.example.com'), /belongs to the relay/],
    ['a wildcard over public_url', host('*.example.com'), /covers relay\.example\.com/],
    [
      'an edge without hosts',
      `${TOP}edges: [{ id: edg_a, hosts: [] }]`,
      /an empty list would mean no host; add one, for example docs\.example\.com \(/,
    ],
    ['one host that is not a list', `${TOP}edges: [{ id: edg_a, hosts: a.com }]`, /must be a list; write \[a\.com\]/],
    ['an id that is none', `${TOP}edges: [{ id: docs, hosts: [a.com] }]`, /must be edg_ and then/],
    ['no listener', 'domain: e.com\npublic_url: https://r.e.com\nlisten: {}', /visitors need a way in/],
    ['an address that is none', 'listen: { http: nonsense }', /"nonsense" is not an address to listen on/],
    ['a port that is none', 'listen: { http: 0.0.0.0:70000 }', /is not an address to listen on/],
    [
      'https without a certificate',
      'domain: e.com\npublic_url: https://r.e.com\nlisten: { https: 443 }',
      /needs a certificate/,
    ],
    ['one address twice', 'listen: { http: 127.0.0.1:4041 }', /is the address of listen\.http already/],
    [
      'public_url in http beside https',
      'public_url: http://r.e.com\nlisten: { https: 443 }',
      /must be https where listen\.https/,
    ],
    ['a public_url that is none', 'public_url: relay.example.com', /is not an http or https URL/],
    ['another store', `${TOP}store: postgres://x`, /must be sqlite: and the path/],
    ['an unknown level', `${TOP}log: { level: loud }`, /"loud" is not possible here/],
    ['a limit that is too small', `${TOP}limits: { header_bytes: 3 }`, /must be at least 1024/],
    ['a timeout of nothing', `${TOP}timeouts: { drain_seconds: 0 }`, /must be more than 0/],
    ['a timeout beyond timers', `${TOP}timeouts: { drain_seconds: 1e9 }`, /must be at most 86400/],
    ['a label that is not text', backend('{ port: 8000 }'), /must be text; write it in quotes: "8000" \(/],
    ['a label of zeros', backend('{ port: 007 }'), /must be text; write it in quotes: "007" \(/],
    [
      'a label that no number can hold',
      backend('{ port: 12345678901234567890123 }'),
      /must be text; write it in quotes: "12345678901234567890123" \(/,
    ],
    ['a label in another base', backend('{ port: 0x1F }'), /must be text; write it in quotes: "0x1F" \(/],
    ['a label that is true', backend('{ on: True }'), /must be text; write it in quotes: "True" \(/],
    ['a label by reference', backend('{ a: &x 007, port: *x }'), /port: must be text; write it in quotes \(/],
    [
      'hosts in one text',
      `${TOP}edges: [{ id: edg_a, hosts: 'a.example.com, b.example.com' }]`,
      /must be a list; write for example \[docs\.example\.com\] \(/,
    ],
    ['a host alone', `${TOP}edges: [{ id: edg_a, hosts: a.example.com }]`, /must be a list; write \[a\.example\.com\]/],
    ['no label', backend('{}'), /an empty selector would match every tunnel/],
    ['a label with =', backend('{ "a=b": c }'), /contains "="/],
    ['an endless label', backend(`{ a: ${'x'.repeat(256)} }`), /longer than 255/],
    [
      'a rule without its dash',
      edgeWith('on_http_request:\n        actions:\n          - type: deny'),
      /policy\.on_http_request: must be a list; begin each entry with a dash, here "- actions: …" \(line 9\)/,
    ],
    [
      'a policy in a word',
      edgeWith('on_http_request: "deny all"'),
      /policy\.on_http_request: must be a list; write for example \[\{ actions: \[\{ type: deny \}\] \}\] \(line 9\)/,
    ],
    ['an edge without its dash', `${TOP}edges: { id: edg_a }`, /edges: must be a list; .*here "- id: …"/],
    [
      'a rule without actions',
      edge(''),
      /an empty list would mean nothing to do; add an action, or remove the rule \(/,
    ],
    [
      'an action by the name of others',
      edge('{ type: oauth2 }'),
      /"oauth2" is not an action; .*\(did you mean openid-connect\?\) \(/,
    ],
    ['a route without path', route('{ policy: {} }'), /needs exact_path or path_prefix/],
    ['a route with both paths', route('{ path_prefix: /a, exact_path: /b }'), /make two routes of it/],
    ['a route twice', route('{ path_prefix: /a }, { path_prefix: /a }'), /is the path_prefix of routes\[0\] already/],
    ['a path without /', route('{ path_prefix: a }'), /must begin with \/, for example \/a/],
    ['a prefix that ends in /', route('{ path_prefix: /a/ }'), /path_prefix \/a covers itself/],
    ['attack 3: a path with a dot segment', route('{ exact_path: /a/../b }'), /contains a dot segment/],
    ['attack 3: a path with an escape', route('{ exact_path: /a%2fb }'), /contains a character/],
    ['attack 3: a path with //', route('{ exact_path: /a//b }'), /contains \/\//],
    ['attack 2: a path with a query', route('{ exact_path: "/a?b" }'), /routes look at the path only/],
    ['a path with *', route('{ path_prefix: /a/* }'), /is not a wildcard here/],
    ['a path of ours', route('{ path_prefix: /.sallyport/x }'), /belongs to the relay/],
    [
      'routes and policy on an edge',
      `${TOP}edges: [{ id: edg_a, hosts: [a.com], policy: {}, routes: [{ path_prefix: / }] }]`,
      /possible only without routes/,
    ],
    [
      'an origin beside two hosts',
      `${TOP}edges: [{ id: edg_a, hosts: [a.com, b.com], origin: https://a.com }]`,
      /one exact host/,
    ],
    [
      'an origin of another host',
      `${TOP}edges: [{ id: edg_a, hosts: [a.com], origin: https://b.com }]`,
      /must name the host of this edge, a\.com/,
    ],
    ['an unknown action', edge('{ type: openid-conect }'), /did you mean openid-connect/],
    ['an action without type', edge('{ config: {} }'), /is missing; write one of openid-connect/],
    [
      'a decision on a response',
      `${TOP}edges: [{ id: edg_a, hosts: [a.com], policy: { on_http_response: [{ actions: [{ type: deny }] }] } }]`,
      /put it under on_http_request/,
    ],
    [
      'a bad address range',
      edge('{ type: restrict-ips, config: { allow: [10.0.0/8] } }'),
      /"10\.0\.0\/8" is not an address range/,
    ],
    ['no address range', edge('{ type: restrict-ips, config: { allow: [] } }'), /an empty list would mean nobody/],
    ['restrict-ips without rules', edge('{ type: restrict-ips, config: {} }'), /has no effect; add allow or deny/],
    ['attack 17: a header value with a line break', header('X-A', '"a\\r\\nX-B: c"'), /without line breaks/],
    ['attack 17: a header name with a space', header('"X A"', 'b'), /is not a header name/],
    ['attack 17: Content-Length', header('Content-Length', '"1"'), /frames the message itself/],
    ['attack 12: an identity header', header('Sallyport-Auth-User-Email', 'a@b'), /only the relay sets it/],
    ['attack 12: an identity header with _', header('SALLYPORT_AUTH_USER_EMAIL', 'a@b'), /only the relay sets it/],
    ['S4: an identity header with a dot', header('Sallyport.Auth.User.Email', 'a@b'), /only the relay sets it/],
    ['S4: Content-Length with a plus', header('Content+Length', '"1"'), /frames the message itself/],
    ['S4: X-Forwarded-For with a tilde', header('X~Forwarded~For', 'a'), /only the relay sets it/],
    ['hardening: CDN-Loop', header('CDN_Loop', 'a'), /how loops are found/],
    ['attack 1: X-Forwarded-Host', header('x-forwarded-host', 'a'), /only the relay sets it/],
    ['Host', header('Host', '"a b"'), /is not a Host; write a value such as/],
    ['Host without it', edge('{ type: remove-headers, config: { headers: [host] } }'), /Host names the edge/],
    ['an issuer on plain http', oidc('issuer_url: http://login.example.com'), /must be https/],
    [
      'an issuer with its document',
      oidc('issuer_url: https://l.com/.well-known/openid-configuration'),
      /must not end with \/\.well-known/,
    ],
    ['an allow of nobody', oidc('allow: {}'), /an empty allow would allow nobody/],
    ['an empty list of emails', oidc('allow: { emails: [] }'), /would mean nobody/],
    ['an empty email', oidc('allow: { emails: [""] }'), /must not be empty/],
    ['an email that is none', oidc('allow: { emails: [ada] }'), /is not an email address/],
    ['a domain with @', oidc('allow: { domains: ["@example.com"] }'), /is not a domain/],
    ['an empty group', oidc('allow: { groups: { any_of: [""] } }'), /must not be empty/],
    ['a blank group', oidc('allow: { groups: { any_of: [" "] } }'), /must not be empty/],
    ['no group', oidc('allow: { groups: { any_of: [] } }'), /would mean nobody/],
    ['no claim', oidc('allow: { claims: [] }'), /would mean nobody/],
    ['a claim without values', oidc('allow: { claims: [{ claim: dept, any_of: [] }] }'), /would mean nobody/],
    ['an empty value of a claim', oidc('allow: { claims: [{ claim: dept, any_of: [""] }] }'), /must not be empty/],
    ['an empty name of a claim', oidc('allow: { claims: [{ claim: "", any_of: [a] }] }'), /must not be empty/],
    ['an empty path to a claim', oidc('allow: { claims: [{ claim: [], any_of: [a] }] }'), /is an empty path/],
    ['a deny of nobody', oidc('deny: {}'), /an empty deny would deny nobody/],
    ['an empty list to deny', oidc('deny: { emails: [] }'), /would mean no denial/],
    ['an empty text to deny', oidc('deny: { domains: [""] }'), /must not be empty/],
    ['an auth_id that is no cookie name', oidc('auth_id: "a;b"'), /letters, digits/],
    ['a parameter of ours', oidc('authz_url_params: { state: x }'), /is set by the relay itself/],
    ...(
      [
        ['"s3cret\\n"', /client_secret: ends with a line end; set the variable without it/],
        ['"s3cret\\r\\n "', /client_secret: ends with a line end/],
        ['" s3cret"', /client_secret: has a space around it/],
        ['"s3cret\\u00a0"', /client_secret: has a space around it/],
        ['"s3c\\nret"', /client_secret: has a line end or another control character in it/],
        ['"s3c\\0ret"', /client_secret: has a line end or another control character in it/],
      ] as const
    ).map(([secret, words]): [string, string, RegExp] => [
      `B11: the secret ${secret}`,
      oidc(`client_secret: ${secret}`),
      words,
    ]),
    ['B11: a client id with a line end', oidc('client_id: "x\\n"'), /client_id: ends with a line end/],
    ['B11: an issuer with a space', oidc('issuer_url: "https://a.example "'), /issuer_url: has a space around it/],
    [
      'groups that nobody names',
      oidc('identity_groups: matched'),
      /identity_groups: matched passes on only the groups/,
    ],
    ['HS256 without secret', oidc('id_token_alg: HS256'), /add client_secret/],
    ['a method without secret', oidc('client_authentication: client_secret_post'), /add client_secret/],
    ['no key', oidc('client_authentication: private_key_jwt'), /add client_key/],
    [
      'a key for another method',
      oidc('client_authentication: client_secret_post, client_secret: s, client_key: { file: k.pem }'),
      /client_secret_post uses no key/,
    ],
    ['a secret beside a key', oidc('client_secret: s, client_key: { file: k.pem }'), /would never be used/],
    ['a secret that is not sent', oidc('client_authentication: none, client_secret: s'), /would never be used/],
    ['an algorithm of no key', oidc('client_key: { file: k.pem, alg: HS256 }'), /"HS256" is not possible here/],
    ['a duration that is none', oidc('idle_session_duration: soon'), /"soon" is not a duration/],
    ['an idle time beyond the maximum', oidc('idle_session_duration: 8d'), /longer than max_session_duration/],
    ['an origin with a path', oidc('allowed_origins: [https://a.com/x]'), /is not an origin/],
    [
      'a sign-in that is easier on another route',
      edge(`${action('force_reauthentication: true')}, ${action('scopes: [openid]')}`),
      /is used on this edge with another scopes; choose another auth_id, or write the same/,
    ],
    [
      'one sign-in with two secrets',
      edge(`${action('client_secret: "a"')}, ${action('client_secret: "b"')}`),
      /with another client_secret/,
    ],
    ['a cookie domain with a dot in front', oidc('auth_cookie_domain: .example.com'), /leave the dot in front away/],
    ['a cookie for everybody', oidc('auth_cookie_domain: com'), /strangers have hosts under "com"/],
    ['a cookie for half of everybody', oidc('auth_cookie_domain: co.uk'), /strangers have hosts under "co.uk"/],
    ['a cookie for an address', oidc('auth_cookie_domain: 10.0.0.1'), /is an address/],
    ['a cookie for a wildcard', oidc('auth_cookie_domain: "*.example.com"'), /leave the \*\. in front away/],
    ['a cookie for elsewhere', oidc('auth_cookie_domain: example.org'), /a\.example\.com is not under example\.org/],
    ['a cookie for a look-alike', oidc('auth_cookie_domain: xample.com'), /a\.example\.com is not under xample\.com/],
    [
      'a shared session that is easier to get elsewhere',
      `${TOP}edges: [${['a', 'b']
        .map(
          (name) =>
            `{ id: edg_${name}, hosts: [${name}.example.com], policy: { on_http_request: [{ actions: [${action(`auth_cookie_domain: example.com, force_reauthentication: ${name === 'a'}`)}] }] } }`,
        )
        .join(', ')}]`,
      /edges\[1\].*another force_reauthentication/,
    ],
    ['no alternatives', oidc('alternatives: []'), /would change nothing/],
    [
      'the same sign-in as alternative',
      oidc(
        'issuer_url: https://login.example.com, client_id: sallyport, alternatives: [{ issuer_url: https://login.example.com, client_id: sallyport }]',
      ),
      /alternatives\[0\].*repeats the same sign-in/,
    ],
    [
      'an alternative with a wrong issuer',
      oidc(
        'issuer_url: https://login.example.com, client_id: sallyport, alternatives: [{ issuer_url: http://login.example.com, client_id: a }]',
      ),
      /alternatives\[0\]\.issuer_url.*must be https/,
    ],
    [
      'an alternative without its secret',
      oidc(
        'issuer_url: https://login.example.com, client_id: sallyport, alternatives: [{ issuer_url: https://b.example.com, client_id: a, id_token_alg: HS256 }]',
      ),
      /alternatives\[0\]\.id_token_alg.*add client_secret/,
    ],
    [
      'alternatives of alternatives',
      oidc(
        'issuer_url: https://login.example.com, client_id: sallyport, alternatives: [{ issuer_url: https://b.example.com, client_id: a, alternatives: [] }]',
      ),
      /no such key/,
    ],
    ['an age that is no number', oidc('authz_url_params: { max_age: soon }'), /max_age is a number of seconds/],
    [
      'one auth_id for two clients',
      edge(`${action('auth_id: a')}, ${action('auth_id: a, client_id: other')}`),
      /choose another auth_id/,
    ],
  ]
  for (const [name, yaml, expected] of cases) {
    it(`name what to write instead: ${name}`, () => assert.match(problemsOf(yaml).join('\n'), expected))
  }

  it('include openid-connect on plain http, except on loopback', () => {
    const plain = (publicUrl: string, host: string) =>
      `domain: x.test\npublic_url: ${publicUrl}\nlisten: { http: 80 }\nedges: [{ id: edg_a, hosts: ["${host}"], policy: { on_http_request: [{ actions: [${action('')}] }] } }]`
    assert.match(problemsOf(plain('http://relay.x.test', 'a.x.test')).join(), /openid-connect needs https/)
    assert.match(problemsOf(plain('http://localhost:8080', 'a.x.test')).join(), /openid-connect needs https/)
    assert.match(problemsOf(plain('http://localhost:8080', 'localhost.x.test')).join(), /openid-connect needs https/)
    assert.deepEqual(problemsOf(plain('http://localhost:8080', 'a.localhost')), [])
    assert.deepEqual(problemsOf(plain('http://127.0.0.1:8080', '*.localhost')), [])
    assert.deepEqual(problemsOf(plain('https://relay.x.test', 'a.x.test')), [])
  })
})

function parse(text: string, env: NodeJS.ProcessEnv = {}): Config {
  return parseConfig(text, { source: '/etc/sallyport/relay.yml', env })
}

function problemsOf(text: string): string[] {
  try {
    parse(text)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.message.split('\n')
  }
}

function signIn(settings: string): OpenidConnectConfig {
  const { edges } = parse(edge(action(settings)))
  const found = edges[0]?.routes[0]?.policy.on_http_request[0]?.actions[0]
  assert.ok(found?.type === 'openid-connect')
  return found.config
}

function host(written: string): string {
  return `${TOP}edges: [{ id: edg_a, hosts: ["${written}"] }]`
}

function backend(labels: string): string {
  return `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], backend: { labels: ${labels} } }]`
}

function route(routes: string): string {
  return `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], routes: [${routes}] }]`
}

function edge(actions: string): string {
  return `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], policy: { on_http_request: [{ actions: [${actions}] }] } }]`
}

function edgeWith(policy: string): string {
  return `${TOP}edges:\n  - id: edg_a\n    hosts: [a.example.com]\n    policy:\n      ${policy}`
}

function header(name: string, value: string): string {
  return edge(`{ type: add-headers, config: { headers: { ${name}: ${value} } } }`)
}

function oidc(settings: string): string {
  return edge(action(settings))
}

function action(settings: string): string {
  const preset = [
    ...(settings.includes('issuer_url:') ? [] : ['issuer_url: https://login.example.com']),
    ...(settings.includes('client_id:') ? [] : ['client_id: sallyport']),
  ]
  return `{ type: openid-connect, config: { ${[...preset, settings].filter(Boolean).join(', ')} } }`
}
