import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { inspect } from 'node:util'

import { Secret } from '@sallyport/protocol'

import { supplyOf, supplyOfAgent, supplyOfSomeAgent } from '../config/supply-of.ts'
import { isSameValue } from '../edge/same-value.ts'
import { loadLanguage } from '../policy/language.ts'
import { LateText } from '../policy/late-text.ts'
import { readEdges } from './read-edges.ts'
import type { EdgesPlace, ReadEdges } from './read-edges.ts'

const ISSUER = 'https://login.example.com'
const VALUES = {
  id: 'client-of-the-vault',
  secret: 'hush ${req.host} $1 }',
  ada: 'ada:a long password',
  short: 'ada:2short',
  hash: '$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  range: '192.0.2.0/24',
  issuer: ISSUER,
  inside: 'https://login.internal',
  keys: `${ISSUER}/jwks.json`,
  name: 'X-Token',
  ends: 'hush\n',
}
const secrets = new Map([['v', new Map(Object.entries(VALUES).map(([name, value]) => [name, new Secret(value)]))]])
const get = (name: keyof typeof VALUES): string => `\${secrets.get('v', '${name}')}`
const step = (type: string, config: object): object => ({ type, config })
const AGENT = { issuers: { problemOf: (url: URL) => (url.hostname.endsWith('.internal') ? 'is inside' : undefined) } }

function read(action: object, place: Partial<EdgesPlace> = {}): ReadEdges {
  return readEdges(
    [
      {
        id: 'edg_x',
        hosts: ['x.example.com'],
        policy: { on_http_request: [{ actions: [action] }] },
        ...(!place.agent && { backend: { labels: { a: 'b' } } }),
      },
    ],
    {
      publicUrl: new URL('https://relay.example.com'),
      identityJwt: true,
      folder: '/',
      supply: supplyOf({ secrets }),
      ...place,
    },
  )
}

function configOf(action: object, place?: Partial<EdgesPlace>): Record<string, unknown> {
  const { edges, problems = [] } = read(action, place)
  assert.deepEqual(problems, [])
  return Object(edges?.[0]?.routes[0]?.policy.on_http_request[0]?.actions[0]?.config) as Record<string, unknown>
}

function problemsOf(action: object, place?: Partial<EdgesPlace>): string[] {
  const { problems = [] } = read(action, place)
  return problems.map(({ path, message }) => `${path.slice(8).join('.')} ${message}`)
}

const jwt = (more: object, issuer: string = ISSUER): object =>
  step('jwt-validation', { issuer: { allow_list: [{ value: issuer }] }, audience: { allow_list: [{ value: 'x' }] }, ...more }) // prettier-ignore
const keysOf = (url: string): object => ({ jws: { keys: [{ sources: { additional_jkus: [url] } }] } })

describe('texts of a policy that their schema checks, with ${…} (traffic policy, 3, 4)', () => {
  before(() => loadLanguage())

  it('are secrets of the configuration, letter by letter, in every field that ngrok marks', () => {
    const signIn = configOf(step('openid-connect', { issuer_url: ISSUER, client_id: get('id'), client_secret: get('secret'), alternatives: [{ issuer_url: `${ISSUER}/b`, client_id: `b-${get('id')}`, client_secret: get('secret') }] })) // prettier-ignore
    const [other] = signIn['alternatives'] as { client_id: string; client_secret: Secret }[] // as written
    assert.deepEqual([signIn['client_id'], other?.client_id], [VALUES.id, `b-${VALUES.id}`])
    for (const secret of [signIn['client_secret'], other?.client_secret]) {
      assert.ok(secret instanceof Secret && secret.reveal() === VALUES.secret, 'the value is no template')
    }
    const oauth = configOf(step('oauth', { provider: 'google', client_id: get('id'), client_secret: get('secret') }))
    assert.equal(oauth['client_id'], VALUES.id)
    const { secret } = configOf(step('verify-webhook', { provider: 'github', secret: get('secret') }))
    assert.ok(secret instanceof Secret && secret.reveal() === VALUES.secret)
    const { credentials } = configOf(
      step('basic-auth', { credentials: [get('ada'), `bob:${get('secret')}`, `eve:${get('hash')}`] }),
    )
    const [ada, bob, eve] = credentials as { user: string; password: Secret }[] // as written
    assert.deepEqual([ada?.user, ada?.password.reveal()], ['ada', 'a long password'])
    assert.deepEqual([bob?.password.reveal(), eve?.password.reveal()], [VALUES.secret, VALUES.hash])
    const { allow, deny } = configOf(step('restrict-ips', { allow: [get('range')], deny: ["${'192.0.2.' + '7'}"] }))
    assert.deepEqual([allow, deny], [[VALUES.range], ['192.0.2.7']])
    const found = configOf(jwt({ ...keysOf(get('keys')), http: { tokens: [{ name: get('name'), prefix: "${'T'}" }] } }, get('issuer'))) // prettier-ignore
    const shown = JSON.stringify(found)
    for (const part of ['"value":"https://login.example.com"', '/jwks.json"]', '"name":"X-Token","prefix":"T"']) {
      assert.ok(shown.includes(part), part)
    }
    const inside = configOf(step('any-of', { actions: [step('service-token', {}), step('basic-auth', { credentials: [get('ada')] })] })) // prettier-ignore
    assert.ok(
      inspect(inside, { depth: 9 }).includes("user: 'ada'") && !inspect(inside, { depth: 9 }).includes('a long'),
    )
  })

  it('may differ between visitors, unless the relay must know them before one comes', () => {
    const late = configOf(step('basic-auth', { credentials: ['ada:${vars.password}'] }))
    assert.deepEqual(late['credentials'], [new LateText('ada:${vars.password}')])
    assert.ok(isSameValue(late['credentials'], [new LateText('ada:${vars.password}')]))
    assert.ok(!isSameValue(late['credentials'], [new LateText('ada:${vars.other}')]))
    for (const action of [
      step('restrict-ips', { allow: ['${vars.range}'], deny: ['${vars.range}'] }),
      step('verify-webhook', { provider: 'github', secret: '${vars.secret}' }),
      jwt({ http: { tokens: [{ name: '${vars.name}', prefix: '${vars.prefix}' }] } }),
    ]) {
      assert.deepEqual(problemsOf(action), [])
    }
    const own = (config: object): string => problemsOf(step('openid-connect', { issuer_url: ISSUER, ...config })).join()
    const reads =
      /reads (vars\.x|req\.host|rand|time\.now), and must be the same for every visitor; it may read secrets only/
    assert.match(own({ client_id: '${vars.x}' }), new RegExp(`^client_id ${reads.source}`))
    assert.match(own({ client_id: 'a', client_secret: 'x${req.host}' }), new RegExp(`^client_secret ${reads.source}`))
    assert.match(own({ client_id: '${string(rand.int(1, 9))}' }), reads)
    assert.match(own({ client_id: '${time.now}' }), reads)
    assert.match(
      problemsOf(jwt({}, '${req.host}')).join(),
      new RegExp(`^issuer\\.allow_list\\.0\\.value ${reads.source}`),
    )
    assert.match(problemsOf(jwt(keysOf('https://${req.host}/keys'))).join(), reads)
  })

  it('are refused with their place, all at once, and no sentence shows a secret', () => {
    const problems = problemsOf(step('basic-auth', { credentials: [get('short'), "ada:${secrets.get('v', 'no')}", 'ada:${vars.', 'ada:${req.path}'] })) // prettier-ignore
    assert.match(problems.join('\n'), /credentials\.0 has a password of 6 characters; it must have 8 to 128/)
    assert.match(problems.join('\n'), /credentials\.1 there is no secret "no" in the vault "v"/)
    assert.match(problems.join('\n'), /credentials\.2 the placeholder has no closing }/)
    assert.match(problems.join('\n'), /credentials\.3 there is no variable req\.path; did you mean req\.url\.path\?/)
    assert.equal(problems.length, 4)
    const all = [
      ...problems,
      ...problemsOf(step('restrict-ips', { allow: [get('id')] })),
      ...problemsOf(step('openid-connect', { issuer_url: ISSUER, client_id: get('ends'), client_secret: get('ends') })),
      ...problemsOf(jwt({}, get('secret'))),
      ...problemsOf(step('verify-webhook', { provider: 'svix', secret: get('secret') })),
      ...problemsOf(step('openid-connect', { issuer_url: ISSUER, client_id: "${secrets.get('v' + 'v', 'x')}" })),
    ]
    assert.match(all.join('\n'), /allow\.0 "\$\{secrets\.get\('v', 'id'\)\}" is not/)
    assert.match(all.join('\n'), /cannot be made: secrets\.get\('v' \+ 'v', 'x'\) there is no such secret/)
    assert.ok(all.length >= 9, all.join('\n'))
    for (const value of Object.values(VALUES)) {
      if (value !== ISSUER) assert.ok(!all.join('\n').includes(value), value)
    }
  })

  it('of an agent read its own secrets alone, and lead nowhere inside (14.5)', () => {
    const agents = { supply: supplyOfAgent({ secrets }, new Map([['mine', new Map([['s', new Secret('mine')]])]])), agent: AGENT } // prettier-ignore
    const signIn = step('openid-connect', { issuer_url: ISSUER, client_id: 'a', client_secret: get('secret') })
    assert.match(problemsOf(signIn, agents).join(), /^client_secret there is no secret "secret" in the vault "v"/)
    const own = configOf(step('openid-connect', { issuer_url: ISSUER, client_id: "${secrets.get('mine', 's')}" }), agents) // prettier-ignore
    assert.equal(own['client_id'], 'mine')
    const itself = { supply: supplyOfAgent({}, secrets), agent: AGENT }
    assert.deepEqual(problemsOf(jwt({}, get('inside')), itself), ['issuer.allow_list.0.value is inside'])
    assert.deepEqual(problemsOf(jwt(keysOf(get('inside'))), itself), ['jws.keys.sources.additional_jkus.0 is inside'])
    // relay policy check does not know them
    const unknown = { supply: supplyOfSomeAgent({}), agent: AGENT }
    for (const action of [
      signIn,
      jwt(keysOf(get('keys')), get('issuer')),
      step('restrict-ips', { allow: [get('range')] }),
    ]) {
      assert.deepEqual(problemsOf(action, unknown), [])
    }
  })

  it('cost nothing and change nothing without ${…}, whatever has been written', () => {
    for (const config of [null, [], 'x', { credentials: 7 }, { credentials: [[['ada:a long password']]] }]) {
      assert.ok(problemsOf(step('basic-auth', config as object)).length > 0)
    }
    const deep = JSON.parse(`${'['.repeat(5000)}"\${vars.x}"${']'.repeat(5000)}`) as object
    assert.ok(problemsOf(step('basic-auth', { credentials: deep })).length > 0)
    assert.ok(problemsOf({ type: 'basic-auth', config: { actions: deep } }).length > 0)
  })
})
