// S1: the redirect URI that an operator must register at an identity provider, as every command prints it. Runs
// without a provider.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { Processes, RELAY } from '../support/processes.ts'

const STAFF = 'https://login.example.com/realms/staff'
const PARTNERS = 'https://partners.example.org/'
const STAFF_NAME = 'login.example.com-a2e5a2ef665da1e7ba02'
const PARTNERS_NAME = 'partners.example.org-cc13026e5307cd0d9f4b'

describe('the redirect URI to register', { timeout: 120_000 }, () => {
  let processes: Processes
  const run = (words: string[], env?: NodeJS.ProcessEnv): ReturnType<Processes['run']> =>
    processes.run([RELAY, ...words], env)
  const uri = (name: string): string => `${processes.publicUrl}/oidc/callback/${name}`

  before(async () => {
    processes = await Processes.create()
    const signIn = { issuer_url: STAFF, client_id: 'sallyport', client_secret: 'x' }
    const partners = { issuer_url: PARTNERS, client_id: 'sallyport' }
    const policyOf = (...actions: object[]): object => ({ on_http_request: [{ actions }] })
    const connect = (config: object): object => ({ type: 'openid-connect', config })
    await processes.startRelay({
      config: { workers: 2 },
      edges: [
        { id: 'edg_docs', hosts: ['docs.localhost'], policy: policyOf(connect(signIn)) },
        {
          id: 'edg_wiki',
          hosts: ['wiki.localhost'],
          policy: policyOf({
            type: 'any-of',
            config: {
              actions: [{ type: 'service-token' }, connect({ ...signIn, alternatives: [partners] })],
            },
          }),
        },
      ],
    })
  })
  after(() => processes.close())

  it('S1: relay start prints it once for each issuer, even with several processes', async () => {
    const told = processes.relay.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>) // our own program's lines
      .filter(({ redirectUri }) => redirectUri !== undefined)
      .map(({ msg, issuer, redirectUri }) => ({ msg, issuer, redirectUri }))
    const line = { msg: 'visitors sign in here; this redirect URI must be registered there' }
    assert.deepEqual(told, [
      { ...line, issuer: STAFF, redirectUri: uri(STAFF_NAME) },
      { ...line, issuer: PARTNERS, redirectUri: uri(PARTNERS_NAME) },
    ])
  })

  it('S1: relay check lists it for each issuer', async () => {
    const { code, stdout } = await run(['check', '--config', processes.configFile])
    assert.equal(code, 0)
    assert.equal(
      stdout,
      `${processes.configFile}: fine, 2 edges.

To be registered as redirect URI:
  at ${STAFF}
    ${uri(STAFF_NAME)}
  at ${PARTNERS}
    ${uri(PARTNERS_NAME)}`,
    )
  })

  it('S1: relay oidc redirect-uri prints only the URI, before anything is set up there', async () => {
    const file = ['--config', processes.configFile]
    for (const [words, env, wanted] of [
      [[STAFF, ...file], {}, uri(STAFF_NAME)],
      [[`${STAFF}/`, ...file], {}, uri(STAFF_NAME)],
      [[PARTNERS], { SALLYPORT_CONFIG: processes.configFile }, uri(PARTNERS_NAME)],
      [['https://nobody.example', ...file], {}, uri('nobody.example-771383deef95d83affcb')],
    ] as const) {
      const { code, stdout, stderr } = await run(['oidc', 'redirect-uri', ...words], env)
      assert.deepEqual([code, stdout, stderr], [0, wanted, ''])
    }
    const local = await run(['oidc', 'redirect-uri', STAFF])
    assert.deepEqual([local.code, local.stdout], [0, `http://localhost:8080/oidc/callback/${STAFF_NAME}`])
    assert.match(local.stderr, /local mode.*--config relay\.yml/)
    const help = await run(['oidc', 'redirect-uri', '--help'])
    assert.equal(help.code, 0)
    assert.match(help.stdout, /Examples:\n {2}relay oidc redirect-uri https:/)
  })

  it('S1: relay oidc redirect-uri ends with 2 and a sentence if it was called wrongly', async () => {
    for (const [words, wanted] of [
      [[], /missing required argument 'issuer'/],
      [['login.example.com'], /ISSUER "login\.example\.com" is not a URL; write for example https:/],
      [['http://login.example.com'], /ISSUER must be https/],
      [['https://login.example.com/?tenant=a'], /ISSUER must be scheme, host and path only/],
      [[`${STAFF}/.well-known/openid-configuration`], /must not end with \/\.well-known\/openid-configuration/],
      [[STAFF, '--config', '/nowhere/relay.yml'], /there is no such file/],
    ] as const) {
      const { code, stdout, stderr } = await run(['oidc', 'redirect-uri', ...words])
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, wanted)
    }
  })
})
