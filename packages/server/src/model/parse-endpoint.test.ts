import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { IssuerReach } from '../config/issuer-reach.ts'
import { loadLanguage } from '../policy/language.ts'
import { parseEndpoint } from './parse-endpoint.ts'

const PUBLIC_URL = new URL('https://relay.example.com')
const PLACE = {
  id: 'edg_x',
  host: 'x.example.com',
  publicUrl: PUBLIC_URL,
  issuers: reachOf(PUBLIC_URL, '0.0.0.0'),
  identityJwt: true,
}
const SIGN_IN = { issuer_url: 'https://login.example.com', client_id: 'x', client_secret: 'hush' }

const request = (...actions: unknown[]): unknown => ({ on_http_request: [{ actions }] })
const signIn = (config: object): unknown => request({ type: 'openid-connect', config: { ...SIGN_IN, ...config } })

function reachOf(public_url: URL, host: string, ...private_issuers: string[]): IssuerReach {
  return new IssuerReach({ public_url, listen: { http: { host, port: 80 } }, endpoints: { private_issuers } })
}

function problemsOf(policy: unknown, place: Partial<typeof PLACE> = {}): string[] {
  const parsed = parseEndpoint(policy, { ...PLACE, ...place })
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the policy of an endpoint', () => {
  it('becomes that of an edge with one route, with the same defaults', () => {
    const parsed = parseEndpoint(signIn({}), PLACE)
    assert.ok(parsed.ok)
    const { id, hosts, routes } = parsed.edge
    assert.deepEqual([id, hosts, routes.length], ['edg_x', ['x.example.com'], 1])
    const [action] = routes[0]?.policy.on_http_request[0]?.actions ?? []
    assert.ok(action?.type === 'openid-connect')
    assert.equal(action.config.client_secret?.reveal(), 'hush')
    assert.equal(JSON.stringify(action).includes('hush'), false)
    assert.deepEqual(action.config.scopes, ['openid', 'profile', 'email'])
    assert.equal(action.config.identity_jwt, true)
  })

  it('may be none at all', () => {
    for (const policy of [undefined, {}, { on_http_request: [] }]) {
      const parsed = parseEndpoint(policy, PLACE)
      assert.ok(parsed.ok, JSON.stringify(policy))
    }
  })

  it('reports every problem at its place', () => {
    const found = problemsOf({
      ...Object(signIn({ idle_session_duration: '8d', id_token_alg: 'RS1' })),
      on_http_response: [{ actions: [{ type: 'deny' }] }],
    })
    assert.equal(found.length, 2, found.join('\n'))
    assert.match(found.join('\n'), /^on_http_request\.0\.actions\.0\.config\.id_token_alg: /m)
    assert.match(found.join('\n'), /^on_http_response\.0\.actions\.0\.type: /m)
    assert.match(
      problemsOf(signIn({ idle_session_duration: '8d' })).join(),
      /^on_http_request.*idle_session_duration: is/,
    )
  })

  it('expands nothing', async () => {
    await loadLanguage()
    const problems = problemsOf(signIn({ client_id: '${PATH}' }))
    assert.match(problems.join(), /client_id: there is no variable PATH.*the environment is not read here/)
  })

  it('needs https, and a provider outside the machine of the relay', () => {
    const inClear = { publicUrl: new URL('http://relay.example.com') }
    assert.match(problemsOf(signIn({}), inClear).join(), /openid-connect needs https/)
    for (const issuer_url of [
      'http://localhost:8080',
      'https://localhost',
      'https://127.0.0.1',
      'https://x.localhost',
    ]) {
      assert.match(problemsOf(signIn({ issuer_url })).join(), /issuer_url: is on the machine of the relay/, issuer_url)
    }
  })

  it('S8: names no internal issuer, in whatever form the address is written', () => {
    for (const host of [
      '0.0.0.0',
      '[::]',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[::127.0.0.1]',
      '[64:ff9b::127.0.0.1]',
      '127.1',
      '0x7f000001',
      '2130706433',
      '169.254.169.254',
      '168.63.129.16',
      '[fd00:ec2::254]',
      '[fe80::1]',
    ]) {
      const found = problemsOf(signIn({ issuer_url: `https://${host}:18443` })).join()
      assert.match(
        found,
        /^on_http_request\.0\.actions\.0\.config\.issuer_url: is on the machine of the relay or/,
        host,
      )
    }
    for (const host of ['10.0.0.1', '192.168.0.1', '100.64.0.1', '[fd12::1]', '[::ffff:10.0.0.1]', '[2002:a00:1::]']) {
      const found = problemsOf(signIn({ issuer_url: `https://${host}` })).join()
      assert.match(found, /is in a private network that is not among endpoints\.private_issuers of the relay/, host)
    }
    assert.deepEqual(problemsOf(signIn({ issuer_url: 'https://93.184.216.34' })), [])
  })

  it('S8: names an issuer in a private network only if the operator lists it, and on loopback only at a local relay', () => {
    const issuers = reachOf(PUBLIC_URL, '0.0.0.0', '10.0.5.0/24', '127.0.0.0/8', '169.254.0.0/16')
    assert.deepEqual(problemsOf(signIn({ issuer_url: 'https://10.0.5.7' }), { issuers }), [])
    for (const host of ['10.0.6.7', '127.0.0.1', '169.254.169.254', 'localhost']) {
      assert.equal(problemsOf(signIn({ issuer_url: `https://${host}` }), { issuers }).length, 1, host)
    }
    const publicUrl = new URL('http://localhost:8080')
    const local = { publicUrl, host: 'x.localhost', issuers: reachOf(publicUrl, '127.0.0.1') }
    for (const issuer_url of ['http://idp.localhost:9', 'http://127.0.0.1:9', 'http://[::1]:9']) {
      assert.deepEqual(problemsOf(signIn({ issuer_url }), local), [], issuer_url)
    }
    assert.equal(problemsOf(signIn({ issuer_url: 'https://169.254.169.254' }), local).length, 1)
    const open = { ...local, issuers: reachOf(publicUrl, '0.0.0.0') } // others reach it by another name
    assert.equal(problemsOf(signIn({ issuer_url: 'http://idp.localhost:9' }), open).length, 1)
  })

  it('names no file of the relay, nor other settings for the operator only', () => {
    const config = { issuer_url: SIGN_IN.issuer_url, client_id: 'x', client_key: { file: '/etc/shadow' } }
    const found = problemsOf(request({ type: 'openid-connect', config }))
    assert.match(found.join(), /^on_http_request\.0\.actions\.0\.config\.client_key: is possible only in/)
    const authority = problemsOf(signIn({ provider_ca_file: '/etc/shadow' }))
    assert.match(authority.join(), /config\.provider_ca_file: is possible only in the configuration of the relay/)
    assert.match(
      problemsOf(signIn({ auth_cookie_domain: 'example.com' })).join(),
      /auth_cookie_domain: is possible only/,
    )
    const further = { issuer_url: 'https://b.example.com', client_id: 'x', client_key: { file: '/etc/shadow' } }
    assert.match(problemsOf(signIn({ alternatives: [further] })).join(), /alternatives: is possible only/)
  })
  it('S7: has passwords that are cheap to check, and one hash for each user', () => {
    const hash = (ln: number): string => `$scrypt$ln=${ln},r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
    const basic = (...credentials: string[]): unknown => request({ type: 'basic-auth', config: { credentials } })
    assert.deepEqual(problemsOf(basic(`ada:${hash(15)}`, `bob:${hash(15)}`, 'ada:a plain one', 'ada:another one')), [])
    assert.match(
      problemsOf(basic('eve:12345678', `ada:${hash(16)}`)).join(),
      /^on_http_request\.0\.actions\.0\.config\.credentials\.1: has a hash with ln=16, which takes too long here/,
    )
    assert.match(
      problemsOf(basic(`ada:${hash(15)}`, `ada:${hash(15)}`)).join(),
      /credentials\.1: is a second hash for the same user; an endpoint takes one hash for each user$/,
    )
  })
  it('S2: costs the relay little, whatever it contains: nothing quadratic, no guess at every word', () => {
    const letters = Array.from({ length: 3900 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join('')
    assert.match(problemsOf(signIn({ issuer_url: `https://${letters}` })).join(), /issuer_url: is longer than 512 char/)
    assert.match(problemsOf(signIn({ allowed_origins: [`https://${letters}`] })).join(), /is not an origin/)
    assert.match(problemsOf(signIn({ allow: { domains: [letters] } })).join(), /is not a domain/)
    assert.deepEqual(problemsOf(signIn({ issuer_url: 'https://bücher.example.com' })), [])

    const unknown = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`client_idx${index}`, 1]))
    const found = problemsOf(signIn(unknown))
    assert.equal(found.length, 100)
    assert.equal(found.filter((problem) => problem.endsWith('did you mean client_id?')).length, 64)
    assert.match(found.at(-1) ?? '', /client_idx99: there is no such key here; possible are /)
  })
})
