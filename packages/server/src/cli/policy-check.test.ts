import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'

import { ConfigError } from '../errors.ts'
import { checkPolicy } from './policy-check.ts'
import type { PolicyCheckOptions } from './policy-check.ts'

const WRONG = `on_http_request:
  - actions:
      - type: dney
      - type: openid-connect
        config:
          issuer_url: http://login.example.com
          client_id: x
          title: \${SALLYPORT_TEST_UNSET}
on_http_respnse: []
`

describe('relay policy check (traffic policy)', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-policy-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function run(text: string, options: PolicyCheckOptions = {}): Promise<{ printed: string; told: string[] }> {
    const file = join(folder, 'policy.yaml')
    await writeFile(file, text)
    const log = mock.method(console, 'log', () => {})
    const error_ = mock.method(console, 'error', () => {})
    const before = process.exitCode
    const told: string[] = []
    try {
      await checkPolicy(file, options)
    } catch (error) {
      assert.ok(error instanceof ConfigError)
      told.push(...error.problems.map(({ path, message }) => `${path}: ${message}`))
    } finally {
      log.mock.restore()
      error_.mock.restore()
      process.exitCode = before
    }
    told.push(...error_.mock.calls.map(({ arguments: [line] }) => String(line)))
    return {
      printed: log.mock.calls.map(({ arguments: [line] }) => String(line)).join('\n'),
      told: told.map((line) => line.replaceAll(`${folder}/`, '')),
    }
  }

  it('knows the authorities and the listeners of the given relay', async () => {
    const relay = join(folder, 'relay.yml')
    const base = 'domain: example.com\npublic_url: https://relay.example.com\nstore: sqlite:relay.db\n'
    const https = 'listen: { https: 443 }\ntls: { certificates: [{ cert_file: x.crt, key_file: x.key }] }\n'
    await writeFile(relay, `${base}${https}certificate_authorities: { ca_partners: partners.pem }\n`)
    const config = 'mutual_tls_certificate_authorities: [ca_partners]'
    const policy = `on_tcp_connect:\n  - actions:\n      - type: terminate-tls\n        config: { ${config} }\n`
    const { printed, told } = await run(policy, { config: relay })
    assert.deepEqual(told, [])
    assert.match(printed, /Visitors: .*a client certificate/)
    for (const options of [{}, { config: relay, agent: true }]) {
      assert.match(
        (await run(policy, options)).told.join(),
        /policy\.yaml:4:.*ca_partners is the id of something at ngrok/,
      )
    }
    await writeFile(relay, `${base}listen: { http: 80 }\n`)
    assert.match((await run(policy, { config: relay })).told.join(), /needs visitors’ TLS to end at this relay/)
  })

  it('says who may pass', async () => {
    const { printed, told } = await run(
      '{"on_http_request":[{"actions":[{"type":"restrict-ips","config":{"allow":["10.0.0.0/8"]}}]}]}',
    )
    assert.deepEqual(told, [])
    assert.match(printed, /policy\.yaml: fine\. Visitors: .*from 10\.0\.0\.0\/8\.$/)
  })

  it('reports all problems, each with file, line and column', async () => {
    const { told } = await run(WRONG)
    assert.equal(told.length, 4, told.join('\n'))
    assert.match(
      told[2] ?? '',
      /^policy\.yaml:8:11 on_http_request\[0\]\.actions\[1\]\.config\.title: .*SALLYPORT_TEST_UNSET is not set/,
    )
    assert.match(told.join('\n'), /^policy\.yaml:9:1 on_http_respnse: .*did you mean on_http_response\?/m)
    assert.match(told.join('\n'), /^policy\.yaml:3:9 on_http_request\[0\]\.actions\[0\]\.type: .*did you mean deny\?/m)
    assert.match(told.join('\n'), /^policy\.yaml:6:11 .*issuer_url: must be https/m)
    assert.match((await run('- a')).told.join(), /^policy\.yaml: must be a block of keys/)
    assert.match((await run('a: [')).told.join(), /^policy\.yaml: line 1: the \[ here is still open/)
  })

  it('checks expressions, and shows the place of each problem in them', async () => {
    const text = `on_http_request:
  - expressions:
      - req.path.startsWith('/admin')
      - req.method == 'GET' && 7
      - "conn.geo.country_code in ['XX']"
      - "'\${HOME}' == 'x' || true"
    actions: [{ type: deny }]
on_http_response:
  - expressions: ['res.status_code == 200', "actions.length() > 0 &&"]
    actions: [{ type: remove-headers, config: { headers: [Server] } }]
  - expressions: ["res.status_code == 200"]
    actions: [{ type: remove-headers, config: { headers: [Server] } }]
  - expressions: []
    actions: [{ type: remove-headers, config: { headers: [Server] } }]
`
    const { told } = await run(text)
    assert.match(
      told[0] ?? '',
      /^policy\.yaml:3:9 on_http_request\[0\]\.expressions\[0\]: there is no variable req\.path; did you mean req\.url\.path\? \(character 5: path\)/,
    )
    assert.match(told[1] ?? '', /^policy\.yaml:4:9 /)
    assert.match(told[2] ?? '', /^policy\.yaml:5:9 .*conn\.geo is not known without a database/)
    assert.match(told[3] ?? '', /^policy\.yaml:9:45 .*the expression ends too early/)
    assert.equal(told.length, 4, told.join('\n'))
    const early = "on_http_request: [{ expressions: ['res.status_code == 200'], actions: [{ type: deny }] }]"
    assert.match((await run(early)).told.join(), /res.* on_http_response/)
    assert.match(
      (await run('on_http_request: [{ expressions: ["req.method == \'GET\'"], actions: [{ type: deny }] }]')).printed,
      /fine\. Visitors: if the conditions of the policy allow it/,
    )
  })

  it('says at its line what to do instead of each feature that only ngrok has (traffic policy, 13)', async () => {
    const text = `on_http_request:
  - actions:
      - type: owasp-crs-request
        config: { on_error: halt }
      - type: saml
      - type: ai-gateway
      - type: request-body-find-replace
      - type: oauth
        config: { provider: github, client_id: x }
      - type: restrict-ips
        config: { deny: [10.0.0.0/8] }
      - type: any-of
        config: { actions: [{ type: basic-auth }, { type: saml }] }
on_http_response:
  - actions:
      - type: response-body-find-replace
      - type: owasp-crs-response
on_event_stream_message: [{ actions: [{ type: sse-find-replace }] }]
`
    for (const agent of [false, true]) {
      const { told } = await run(text, { agent })
      for (const [line, sentence] of [
        [3, /type: owasp-crs-request needs a web application firewall/],
        [5, /type: saml is not possible here; .* use openid-connect/],
        [6, /type: ai-gateway routes to providers of language models/],
        [7, /type: request-body-find-replace changes bodies on their way/],
        [9, /config\.provider: github is not an OpenID provider; use openid-connect with one that is/],
        [13, /actions\[1\]\.type: saml is not possible here/],
        [16, /type: response-body-find-replace changes bodies/],
        [17, /type: owasp-crs-response needs a web application firewall/],
        [18, /on_event_stream_message: changes bodies on their way/],
      ] as const) {
        const found = told.find((each) => each.startsWith(`policy.yaml:${line}:`) && sentence.test(each))
        assert.ok(found, `line ${line}: ${told.join('\n')}`)
      }
      const restrict = 'on_http_request: [{ actions: [{ type: restrict-ips, config: { ip_policies: [ipp_1] } }] }]'
      assert.match((await run(restrict, { agent })).told.join(), /ip_policies\[0\]: "ipp_1" is the id of something at ngrok; write its ranges under ip_policies: in relay\.yml/) // prettier-ignore
    }
  })

  it('loads older forms, and names the new form of each at its place (traffic policy, 7)', async () => {
    const text = `enabled: true
inbound:
  - expressions: ["req.Method == 'GET' && req.Params['a'][0] == 'b'", "conn.ClientIP != ''"]
    actions:
      - type: custom-response
        config: { content: "hello \${req.Path}" }
      - type: oidc
        config: { issuer_url: "https://login.example.com", client_id: x }
      - { type: rate-limit, config: { name: a, algorithm: sliding_window, capacity: 1, rate: 60s, bucket_key: [conn.ClientIP] } }
outbound:
  - actions:
      - { type: add-headers, config: { headers: { "X-Email": "\${.oauth.user.email} \${.tls.version}" } } }
`
    for (const agent of [false, true]) {
      const { told, printed } = await run(text, { agent })
      assert.match(printed, /fine\. Visitors: /)
      const lines = told.filter((line) => !line.includes('adds '))
      assert.deepEqual(
        lines.map((line) => line.replace(/ \(character.*/, '')),
        [
          'policy.yaml:1:1 enabled: is an older form; remove it, as every policy is enabled',
          'policy.yaml:2:1 inbound: is the older name of on_http_request; write that',
          'policy.yaml:3:19 inbound[0].expressions[0]: req.Method is an older name; write req.method',
          'policy.yaml:3:19 inbound[0].expressions[0]: req.Params is an older name; write req.url.query_params',
          "policy.yaml:3:19 inbound[0].expressions[0]: an exchange without a is refused here; write 'a' in req.url.query_params && … before it",
          'policy.yaml:3:71 inbound[0].expressions[1]: conn.ClientIP is an older name; write conn.client_ip',
          'policy.yaml:6:19 inbound[0].actions[0].config.content: is the older name of body; write that',
          'policy.yaml:6:19 inbound[0].actions[0].config.content: req.Path is an older name; write req.url.path',
          'policy.yaml:7:9 inbound[0].actions[1].type: oidc is the older name of openid-connect; write that',
          'policy.yaml:9:29 inbound[0].actions[2].config: conn.ClientIP is an older name; write conn.client_ip',
          'policy.yaml:10:1 outbound: is the older name of on_http_response; write that',
          'policy.yaml:12:51 outbound[0].actions[0].config.headers.X-Email: ${.oauth.user.email} is an older form; write ${actions.ngrok.oidc.identity.email}',
          'policy.yaml:12:51 outbound[0].actions[0].config.headers.X-Email: ${.tls.version} is an older form; write ${conn.tls.version}',
        ].map((line) => `Warning: ${line}`),
      )
    }
    const { ok, warnings } = JSON.parse((await run('inbound: []', { json: true })).printed) as {
      ok: boolean
      warnings: object[]
    }
    assert.equal(ok, true)
    const [{ file: _, ...warning } = { file: '' }] = warnings as { file: string }[]
    const message = 'is the older name of on_http_request; write that'
    assert.deepEqual(warning, { line: 1, column: 1, path: 'inbound', message })
  })

  it('reports problems in an older form at the place in the file (traffic policy, 7)', async () => {
    const { told } = await run(`inbound:
  - expressions: ["req.method == 7"]
    actions:
      - { type: custom-response, config: { content: 7 } }
      - { type: custom-response, config: { content: a, body: b } }
      - { type: dney }
outbound: []
on_http_response: []
enabled: maybe
`)
    const [first, ...lines] = told.filter((line) => !line.startsWith('Warning'))
    assert.match(first ?? '', /^policy\.yaml:2:19 inbound\[0\]\.expressions\[0\]: no such overload: string == int/)
    assert.match(lines[0] ?? '', /^policy\.yaml:4:44 inbound\[0\]\.actions\[0\]\.config\.content: must be text/)
    assert.match(
      lines[1] ?? '',
      /^policy\.yaml:5:44 inbound\[0\]\.actions\[1\]\.config\.content: is the older name of body, which is there, too/,
    )
    assert.match(lines[2] ?? '', /^policy\.yaml:6:\d+ inbound\[0\]\.actions\[2\]\.type: .*did you mean deny/)
    assert.match(
      lines[3] ?? '',
      /^policy\.yaml:7:1 outbound: is the older name of on_http_response, which is there, too/,
    )
    assert.match(lines[4] ?? '', /^policy\.yaml:9:1 enabled: is an older form; remove it/)
    assert.equal(lines.length, 5, lines.join('\n'))
    const place = (await run("inbound: [{ expressions: ['res.StatusCode == 1'], actions: [{ type: deny }] }]")).told
    assert.match(
      place.at(-1) ?? '',
      /^policy\.yaml:1:27 inbound\[0\]\.expressions\[0\]: res exists in on_http_response/,
    )
  })

  it('warns of valid settings that may be meant differently (traffic policy, redirect, 14.8)', async () => {
    const { printed, told } = await run(`on_http_request:
  - actions:
      - { type: redirect, config: { from: "^https://[^/]+/go/(.*)$", to: "https://$1" } }
      - { type: url-rewrite, config: { from: "^/a", to: "/b" } }
      - { type: restrict-ips, config: { deny: [192.0.2.0/24] } }
`)
    assert.match(printed, /fine\./)
    assert.match(told[0] ?? '', /^Warning: policy\.yaml redirects to a host that visitors choose/)
    assert.match(told[1] ?? '', /^Warning: policy\.yaml has a url-rewrite whose from, \^\/a, never matches/)
    assert.match(told[2] ?? '', /^Warning: policy\.yaml has restrict-ips with deny alone/)
    const broken = await run('on_http_request: [{ actions: [{ type: redirect, config: { from: "(a", to: /b } }] }]')
    assert.match(
      broken.told.join(),
      /actions\[0\]\.config\.from: is not a regular expression of RE2 \(missing closing \)/,
    )
    const location = await run(
      'on_http_request: [{ actions: [{ type: redirect, config: { to: /b, headers: { location: /c } } }] }]',
    )
    assert.match(location.told.join(), /config\.headers\.location: is made from to/)
  })

  it('is JSON for programs', async () => {
    const { printed } = await run('on_http_request:\n  - actions:\n      - type: dney\n', { json: true })
    const { ok, problems } = JSON.parse(printed) as { ok: boolean; problems: Record<string, unknown>[] }
    assert.equal(ok, false)
    const [{ line, column, path } = {}] = problems
    assert.deepEqual({ line, column, path }, { line: 3, column: 9, path: 'on_http_request[0].actions[0].type' })
    assert.deepEqual(JSON.parse((await run('{}', { json: true })).printed), {
      ok: true,
      problems: [],
      warnings: [],
      notes: [],
    })
  })

  it('says which secrets agent.yml must have, or checks that it has them (decision 40)', async () => {
    const get = (vault: string, name: string): string => `secrets.get('${vault}', '${name}') != ''`
    const text = `on_http_request:
  - expressions: ["${get('shop', 'token')} && ${get('shop', 'token')}", "${get('shop', 'other')}"]
    actions: [{ type: deny }]
`
    const { printed, told } = await run(text, { agent: true })
    assert.match(printed, /fine\./)
    assert.deepEqual(told, [
      'Note: policy.yaml reads secrets that must be under secrets: in agent.yml: "token" in the vault "shop", "other" in the vault "shop"; --agent-config agent.yml checks that they are',
    ])
    const { ok, notes } = JSON.parse((await run(text, { agent: true, json: true })).printed) as { ok: boolean; notes: { message: string }[] } // prettier-ignore
    assert.ok(ok && notes.length === 1 && /"other" in the vault "shop"/.test(notes[0]?.message ?? ''))

    const agentConfig = join(folder, 'agent.yml')
    await writeFile(
      agentConfig,
      'server: https://relay.example.com\nsecrets: { shop: { token: "${UNSET}", other: x } }\n',
    )
    const fine = await run(text, { agentConfig })
    assert.match(fine.printed, /fine\./)
    assert.deepEqual(fine.told, [])
    await writeFile(agentConfig, 'secrets: { shop: { token: x }, other: { other: x } }\n')
    const missing = (await run(text, { agentConfig })).told
    assert.equal(missing.length, 1)
    assert.match(missing[0] ?? '', /^policy\.yaml:2:\d+ .*there is no secret "other" in the vault "shop"; .*agent\.yml/)
    await writeFile(agentConfig, 'server: https://relay.example.com\n')
    assert.equal((await run(text, { agentConfig })).told.length, 3, 'an agent.yml without secrets has none')
    await writeFile(agentConfig, 'secrets:\n  shop: [token]\n')
    assert.match(
      (await run(text, { agentConfig })).told.join(),
      /^agent\.yml:2:\d+ secrets\.shop: must be a block of keys/,
    )
    assert.match(
      (await run(text, { agentConfig: join(folder, 'none.yml') })).told.join(),
      /none\.yml: there is no such/,
    )
  })

  it('knows the settings that only the operator may write', async () => {
    const text = 'on_http_request:\n  - actions:\n      - type: service-token\n'
    assert.deepEqual((await run(text)).told, [])
    assert.match(
      (await run(text, { agent: true })).told.join(),
      /^policy\.yaml:3:9 .*type: service-token is possible only in/,
    )
    const inward = `on_http_request:
  - actions:
      - type: openid-connect
        config: { issuer_url: "https://127.0.0.1", client_id: x }
`
    assert.deepEqual((await run(inward)).told, [])
    assert.match((await run(inward, { agent: true })).told.join(), /^policy\.yaml:4:19 .*issuer_url: /)
  })
})
