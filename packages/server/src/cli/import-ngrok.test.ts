import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'

import { parseConfig } from '../config/parse-config.ts'
import type { Config } from '../config/config.ts'
import { importNgrok } from './import-ngrok.ts'
import type { ImportNgrokOptions } from './import-ngrok.ts'

const ON = { enabled: true }

interface Imported {
  yaml: string
  told: string[]
  exitCode: unknown
}

describe('relay policy import-ngrok (traffic policy, 7)', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-import-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function run(documents: readonly unknown[], options: ImportNgrokOptions = {}): Promise<Imported> {
    const files = documents.map((_, index) => join(folder, `ngrok-${index}.json`))
    for (const [index, document] of documents.entries()) {
      const text = typeof document === 'string' ? document : JSON.stringify(document, undefined, 2)
      await writeFile(files[index]!, text) // there is one for each
    }
    const log = mock.method(console, 'log', () => {})
    const error = mock.method(console, 'error', () => {})
    const before_ = process.exitCode
    process.exitCode = 0
    try {
      await importNgrok(files, options)
      const words = (each: typeof log): string[] => each.mock.calls.map(({ arguments: [said] }) => String(said))
      return {
        yaml: words(log).join('\n'),
        told: words(error).map((line) => line.replace(`${folder}/`, '')),
        exitCode: process.exitCode,
      }
    } finally {
      process.exitCode = before_
      log.mock.restore()
      error.mock.restore()
    }
  }

  /** As `relay check` does, with every variable set. */
  function load(yaml: string): Config['edges'] {
    const names = [...yaml.matchAll(/^# Set the variable (\w+):/gm)].map(([, name = '']) => name)
    const env = Object.fromEntries(names.map((name) => [name, VALUES[name.replace(/_\d+$/, '')]]))
    const relay = 'domain: example.com\npublic_url: https://relay.example.com\nlisten: { https: "0.0.0.0:443" }\n'
    const tls = 'tls: { certificates: [{ cert_file: a.pem, key_file: b.pem }] }\n'
    return parseConfig(relay + tls + yaml, { source: 'relay.yml', env }).edges
  }
  const VALUES: Readonly<Record<string, string>> = {
    OIDC_CLIENT_SECRET: 'a secret of the provider',
    OAUTH_CLIENT_SECRET: 'a secret of the provider',
    MICROSOFT_TENANT: '9188040d-6c67-4c5b-b112-36a304b66dad',
    WEBHOOK_SECRET: 'a secret of the webhooks',
  }

  const edgeWith = (modules: object, further: object = {}): object => ({
    id: 'edghts_2abC',
    hostports: ['shop.example.com:443'],
    routes: [{ match_type: 'path_prefix', match: '/', backend: { ...ON, backend: { id: 'bkdtg_1' } }, ...modules }],
    ...further,
  })
  const GROUP = { backends: [{ id: 'bkdtg_1', labels: { edge: 'edghts_2abC', tier: 'web' }, tunnels: [] }] }

  /** The types of the actions of the only route, by phase. */
  function actionsOf(edges: Config['edges']): Record<string, string[]> {
    const policy = edges[0]?.routes[0]?.policy ?? {}
    const rules = (phase: unknown): string[] =>
      (phase as { actions: { type: string }[] }[]).flatMap(({ actions }) => actions.map(({ type }) => type)) // of a policy
    return Object.fromEntries(
      Object.entries(policy).flatMap(([phase, each]) => (rules(each).length > 0 ? [[phase, rules(each)]] : [])),
    )
  }

  const closed = { on_http_request: ['deny'] }
  const cases: readonly [name: string, modules: object, actions: object, leftOut?: RegExp][] = [
    ['compression', { compression: ON }, { on_http_response: ['compress-response'] }],
    [
      'circuit_breaker',
      {
        circuit_breaker: {
          ...ON,
          tripped_duration: 20,
          rolling_window: 60,
          num_buckets: 10,
          volume_threshold: 5,
          error_threshold_percentage: 0.2,
        },
      },
      { on_http_request: ['circuit-breaker'] },
    ],
    [
      'circuit_breaker beyond the limits of the relay',
      { circuit_breaker: { ...ON, rolling_window: 6000, error_threshold_percentage: 0.2 } },
      {},
      /circuit_breaker: left out: window_duration must be from 1s to 2m/,
    ],
    [
      'ip_restriction',
      { ip_restriction: { ...ON, ip_policies: [{ id: 'ipp_1' }] } },
      { on_http_request: ['restrict-ips'] },
    ],
    [
      'ip_restriction of a policy that is not there',
      { ip_restriction: { ...ON, ip_policies: [{ id: 'ipp_9' }] } },
      closed,
      /ip_restriction: left out, and nobody passes there until you write a replacement: ipp_9 is not in these files/,
    ],
    [
      'ip_restriction that only denies, as at ngrok nobody passed',
      { ip_restriction: { ...ON, ip_policies: [{ id: 'ipp_2' }] } },
      closed,
      /nobody passed at ngrok/,
    ],
    [
      'oidc',
      {
        oidc: {
          ...ON,
          issuer: 'https://login.example.com',
          client_id: 'shop',
          scopes: ['email'],
          maximum_duration: 3600,
          inactivity_timeout: 600,
          options_passthrough: true,
          cookie_prefix: 'ngrok.',
        },
      },
      { on_http_request: ['openid-connect'] },
    ],
    ['oidc without an issuer', { oidc: { ...ON, client_id: 'shop' } }, closed, /oidc: .*issuer_url must not be empty/],
    [
      'oauth with ngrok’s own app',
      { oauth: { ...ON, provider: { google: { scopes: [] } } } },
      closed,
      /ngrok’s own app at google cannot be used here/,
    ],
    [
      'oauth with github',
      { oauth: { ...ON, provider: { github: { client_id: 'x' } } } },
      closed,
      /github.* is not an OpenID provider/,
    ],
    ['saml', { saml: { ...ON, idp_metadata: '<xml/>' } }, closed, /saml: .*saml is not possible here/],
    [
      'request_headers and response_headers',
      {
        request_headers: { ...ON, add: { 'X-Who': '${.oidc.user.email}', 'X-Plain': 'b' }, remove: ['X-Old'] },
        response_headers: { ...ON, add: { 'X-Frame-Options': 'DENY' }, remove: ['Server'] },
      },
      { on_http_request: ['remove-headers', 'add-headers'], on_http_response: ['remove-headers', 'add-headers'] },
    ],
    [
      'request_headers of which some are the relay’s own',
      { request_headers: { ...ON, add: { 'X-Forwarded-For': 'x', 'X-Mine': 'y', 'X-Odd': '${.odd}' } } },
      { on_http_request: ['add-headers'] },
      /add\["?X-Forwarded-For"?\].*|add\.X-Forwarded-For: left out/,
    ],
    [
      'webhook_verification',
      { webhook_verification: { ...ON, provider: 'GITHUB', secret: 'never shown' } },
      { on_http_request: ['verify-webhook'] },
    ],
    [
      'webhook_verification of a provider that is not here',
      { webhook_verification: { ...ON, provider: 'airship' } },
      closed,
      /airship/,
    ],
    [
      'websocket_tcp_converter',
      { websocket_tcp_converter: ON },
      {},
      /websocket_tcp_converter: left out: the app gets the WebSockets/,
    ],
    [
      'user_agent_filter',
      { user_agent_filter: { ...ON, allow: ['(?i)firefox', 'a"b\\d'], deny: ['curl'] } },
      { on_http_request: ['deny', 'deny'] },
    ],
    [
      'user_agent_filter with a broken pattern',
      { user_agent_filter: { ...ON, deny: ['(?<!x'] } },
      closed,
      /user_agent_filter: /,
    ],
    [
      'jwt_validation',
      {
        jwt_validation: {
          ...ON,
          issuer: { allow_list: [{ value: 'https://login.example.com' }] },
          audience: { allow_list: [{ value: 'shop' }] },
          http: { tokens: [{ type: 'jwt', method: 'header', name: 'Authorization', prefix: 'Bearer ' }] },
          jws: {
            allowed_algorithms: ['RS256'],
            keys: { sources: { additional_jkus: ['https://login.example.com/jwks'] } },
          },
        },
      },
      { on_http_request: ['jwt-validation'] },
    ],
    [
      'traffic_policy',
      {
        traffic_policy: {
          ...ON,
          value:
            'on_http_request: [{ actions: [{ type: rate-limit, config: { name: a, algorithm: sliding_window, capacity: 9, rate: 60s, bucket_key: [conn.client_ip] } }] }]',
        },
      },
      { on_http_request: ['rate-limit'] },
    ],
    [
      'an older policy',
      { policy: { ...ON, inbound: [{ actions: [{ type: 'saml' }] }], outbound: [] } },
      closed,
      /inbound\[0\]: /,
    ],
    ['modules that are off', { saml: { enabled: false }, compression: { enabled: false }, oidc: null }, {}],
  ]
  const RULES = {
    ip_policy_rules: [
      { cidr: '192.0.2.0/24', action: 'allow', ip_policy: { id: 'ipp_1' } },
      { cidr: '192.0.2.7/32', action: 'deny', ip_policy: { id: 'ipp_1' } },
      { cidr: '192.0.2.7/32', action: 'deny', ip_policy: { id: 'ipp_2' } },
    ],
  }

  for (const [name, modules, actions, leftOut] of cases) {
    it(`prints a configuration that relay check accepts: ${name}`, async () => {
      const { yaml, told, exitCode } = await run([{ https_edges: [edgeWith(modules)] }, GROUP, RULES])
      const edges = load(yaml)
      assert.deepEqual(actionsOf(edges), actions, yaml)
      assert.equal(exitCode, leftOut ? 1 : 0, told.join('\n'))
      if (!leftOut) return
      assert.ok(
        told.some((line) => /^ngrok-0\.json:\d+:\d+ https_edges\[0\]\.routes\[0\]\./.test(line) && leftOut.test(line)),
        told.join('\n'),
      )
      assert.match(yaml, /^ *# (?:Nobody passes until you replace this\. )?Left out: /m)
    })
  }

  it('imports oauth, with the people who may pass', async () => {
    const provider = {
      google: { client_id: 'shop', client_secret: '', scopes: ['openid'], email_domains: ['example.com'] },
    }
    const { yaml } = await run([edgeWith({ oauth: { ...ON, provider, maximum_duration: 60, inactivity_timeout: 50 } })])
    assert.deepEqual(actionsOf(load(yaml)), { on_http_request: ['oauth'] }, yaml)
  })

  it('prints no secret, only the variables to set', async () => {
    const modules = {
      oidc: { ...ON, issuer: 'https://login.example.com', client_id: 'shop', client_secret: 'very secret' },
      webhook_verification: { ...ON, provider: 'github', secret: 'so secret' },
    }
    const { yaml, told } = await run([edgeWith(modules)])
    assert.doesNotMatch(yaml + told.join(), /very secret|so secret/)
    assert.match(
      yaml,
      /^# Set the variable OIDC_CLIENT_SECRET: the secret of the client shop at https:\/\/login\.example\.com\.$/m,
    )
    assert.match(yaml, /client_secret: "\$\{OIDC_CLIENT_SECRET\}"/)
    assert.ok(told.some((line) => line.startsWith('Set the variable WEBHOOK_SECRET: ')))
  })

  it('imports backends: labels, weighted, failover, fixed responses', async () => {
    const backends = {
      backends: [
        { id: 'bkdtg_1', labels: { edge: 'edghts_2abC' } },
        { id: 'bkdtg_2', labels: { tier: 'spare' } },
        { id: 'bkdhr_1', status_code: 503, body: 'closed ${x}', headers: { 'Content-Type': 'text/plain' } },
        { id: 'bkdwd_1', backends: { bkdtg_1: 3, bkdtg_2: 1 } },
        { id: 'bkdfo_1', backends: ['bkdwd_1', 'bkdhr_1'] },
        { id: 'bkdfo_2', backends: ['bkdfo_2', 'bkdhr_1'] },
        { id: 'bkdsa_1', address: '10.0.0.1:80' },
      ],
    }
    const routeTo = (id: string, match: string): object => ({
      match_type: 'exact_path',
      match,
      backend: { ...ON, backend: { id } },
    })
    const ids = ['bkdtg_1', 'bkdhr_1', 'bkdwd_1', 'bkdfo_1', 'bkdfo_2', 'bkdsa_1', 'bkd_none']
    const edge = { ...edgeWith({}), routes: ids.map((id, index) => routeTo(id, `/${index}`)) }
    const { yaml, told } = await run([edge, backends])
    const found = load(yaml)[0]?.routes.map(({ exact_path, backend }) => [exact_path, Object.keys(backend)[0]])
    assert.deepEqual(found, [
      ['/0', 'labels'],
      ['/1', 'fixed_response'],
      ['/2', 'weighted'],
      ['/3', 'failover'],
      ['/4', 'fixed_response'],
      ['/5', 'labels'],
      ['/6', 'labels'],
    ])
    assert.match(told.join('\n'), /failover backend cannot be inside/)
    assert.match(told.join('\n'), /beside the app run: agent tunnel --label backend=bkdsa_1 10\.0\.0\.1:80/)
    assert.match(told.join('\n'), /the backend bkd_none is not in these files/)
    assert.match(yaml, /body: "closed \$\$\{x\}"/)
  })

  it('imports IP policies by their ids, once for all routes, and closes routes whose IP policies cannot be used', async () => {
    const restricted = (...ids: string[]): object => ({
      ip_restriction: { ...ON, ip_policies: ids.map((id) => ({ id })) },
    })
    const policy = 'on_http_request: [{ actions: [{ type: restrict-ips, config: { ip_policies: [ipp_1] } }] }]'
    const edges = [
      edgeWith(restricted('ipp_1', 'ipp_2')),
      { ...edgeWith({ traffic_policy: { ...ON, value: policy } }), id: 'edghts_b', hostports: ['b.example.com:443'] },
    ]
    const { yaml, told } = await run([{ https_edges: edges }, GROUP, RULES])
    assert.deepEqual(told, [])
    assert.match(
      yaml,
      /\nip_policies:\n {2}ipp_1:\n {4}allow:\n {6}- "192\.0\.2\.0\/24"\n {4}deny:\n {6}- "192\.0\.2\.7\/32"\n {2}ipp_2:\n {4}deny:\n/,
    )
    assert.equal(yaml.match(/192\.0\.2\.0\/24/g)?.length, 1)
    const [one, other] = load(yaml).map(({ routes }) => routes[0]?.policy.on_http_request[0]?.actions[0]?.config)
    assert.deepEqual(one, { enforce: true, allow: ['192.0.2.0/24'], deny: ['192.0.2.7/32', '192.0.2.7/32'] })
    assert.deepEqual(other, { enforce: true, allow: ['192.0.2.0/24'], deny: ['192.0.2.7/32'] })

    const bad = { ip_policy_rules: [{ cidr: '192.0.2.0/33', action: 'allow', ip_policy: { id: 'ipp_1' } }] }
    const refused = await run([{ https_edges: edges }, GROUP, bad])
    for (const each of load(refused.yaml)) assert.deepEqual(actionsOf([each]), closed)
    assert.match(refused.told.join('\n'), /ip_restriction: left out, and nobody passes .*ipp_1 .*from 0 to 32/)
    assert.doesNotMatch(refused.yaml, /^ip_policies:/m)

    const value = policy.replace('ipp_1', 'ipp_2')
    const denying = await run([edgeWith({ traffic_policy: { ...ON, value } }), GROUP, RULES])
    assert.deepEqual(actionsOf(load(denying.yaml)), closed, 'at ngrok nobody passed')
    assert.match(denying.told.join('\n'), /on_http_request\[0\]: none of its IP policies allows anything/)
  })

  it('imports client certificates and TLS versions, and closes the edge without the authority', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
    const tls = {
      mutual_tls: { ...ON, certificate_authorities: [{ id: 'ca_1' }] },
      tls_termination: { ...ON, terminate_at: 'edge', min_version: '1.3' },
    }
    const without = await run([edgeWith({}, tls)])
    assert.match(
      without.yaml,
      /\n {4}policy:\n {6}on_tcp_connect:\n {8}# Nobody passes .*\n {8}- actions:\n {12}- type: deny\n/,
    )
    assert.equal(load(without.yaml).length, 1)
    assert.match(without.told.join('\n'), /https?|mutual_tls: left out, and nobody passes .*ca_1 is not in these files/)
    const { yaml } = await run([edgeWith({}, tls), { certificate_authorities: [{ id: 'ca_1', ca_pem: pem }] }])
    assert.match(yaml, /certificate_authorities:\n {2}ca_1: \|\n {4}-----BEGIN CERTIFICATE-----\n/)
    assert.match(
      yaml,
      /type: terminate-tls\n +config:\n +min_version: "1\.3"\n +mutual_tls_certificate_authorities:\n +- ca_1/,
    )
  })

  it('leaves out an edge that could not be loaded, and continues with the others', async () => {
    const odd = { ...edgeWith({}), id: 'edghts_odd', hostports: ['not a host:443'] }
    const twice = { ...edgeWith({}), id: 'edghts_other' }
    const none = { ...edgeWith({}), id: 'edghts_none', routes: [] }
    const { yaml, told } = await run([{ https_edges: [odd, edgeWith({}), twice, none] }, GROUP])
    assert.deepEqual(
      load(yaml).map(({ id }) => id),
      ['edg_2abC'],
    )
    assert.match(told[0] ?? '', /^ngrok-0\.json:3:5 https_edges\[0\]: left out: the whole edge: hosts\.0 /)
    assert.match(told.join('\n'), /https_edges\[2\]: left out: the whole edge: /)
    assert.match(told.join('\n'), /https_edges\[3\]: left out: it has no routes/)
  })

  it('reads malicious input without harm (attack 37)', async () => {
    const deep = `{"https_edges": ${'['.repeat(3000)}${']'.repeat(3000)}}`
    await assert.rejects(run([deep]), /./)
    for (const document of ['[]', '{}', '"x"', '{"https_edges": [null, 3, "x"]}']) {
      await assert.rejects(run([document]), /This file has no HTTPS edge/)
    }
    const odd = edgeWith(
      {
        oidc: { issuer: 3, client_id: ['x'] },
        oauth: { provider: null },
        user_agent_filter: { deny: 'x' },
        ip_restriction: { ip_policies: {} },
        request_headers: { add: [1], remove: { x: 1 } },
        traffic_policy: { value: 'on_http_request: [' },
        compression: 'yes',
        description: 'x',
      },
      { description: 'a\u2028b\n- evil: ${HOME}', metadata: '# no' },
    )
    const { yaml } = await run([odd, GROUP])
    const [edge] = load(yaml)
    assert.equal(edge?.description, 'a\u2028b\n- evil: ${HOME}')
    assert.ok(actionsOf([edge!]).on_http_request?.every((type) => type === 'deny'))
  })

  it('prints the same as JSON for programs', async () => {
    const { yaml } = await run(
      [edgeWith({ saml: ON, oidc: { ...ON, issuer: 'https://a.example.com', client_id: 'x' } }), GROUP],
      { json: true },
    )
    const printed = JSON.parse(yaml) as Record<string, never>
    assert.deepEqual(Object.keys(printed), ['edges', 'left_out', 'variables'])
    assert.deepEqual(Object.keys(printed['left_out']?.[0] ?? {}), ['line', 'column', 'path', 'message', 'closes'])
  })
})
