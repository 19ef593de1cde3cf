// How the relay proves to a real provider that it is the client, for every way that a provider may ask for.

import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'

import { Browser } from '../../../../../test/support/browser/browser.ts'
import type {
  IdentityProvider,
  IdentityProviderOptions,
} from '../../../../../test/support/identity-provider/identity-provider.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { ConfigError } from '../../errors.ts'
import { readClientKey } from './client-key.ts'
import { clientFor, configFor, signInAs, startProvider, startRelay, type Relay } from '../harness.test-support.ts'

type Client = IdentityProviderOptions['clients'][number]

const ODD_ID = 'rel:ay +%&=/'
const ODD_SECRET = "a secret: 100%+ &=/~'()* and so on"
const KINDS = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  Ed25519: generateKeyPairSync('ed25519'),
}

describe('client authentication', () => {
  let relay: Relay
  let provider: IdentityProvider
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-client-key-'))
    relay = await startRelay()
    const { client_secret: _secret, ...open } = clientFor(relay.port)
    const keyed = (client_id: string, key: KeyObject, kid?: string): Client => ({
      ...open,
      client_id,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...key.export({ format: 'jwk' }), ...(kid && { kid }), use: 'sig' }] },
    })
    provider = await startProvider(relay.port, {
      clients: [
        { ...open, client_id: ODD_ID, client_secret: ODD_SECRET, token_endpoint_auth_method: 'client_secret_basic' },
        { ...open, client_id: 'post', client_secret: ODD_SECRET, token_endpoint_auth_method: 'client_secret_post' },
        { ...open, client_id: 'public', token_endpoint_auth_method: 'none' },
        ...Object.entries(KINDS).map(([kind, { publicKey }]) => keyed(kind, publicKey, kind)),
      ],
      configure: {
        enabledJWA: {
          idTokenSigningAlgValues: ['RS256'],
          clientAuthSigningAlgValues: ['ES256', 'ES384', 'RS256', 'PS256', 'Ed25519'],
        },
      },
    })
  })
  after(async () => {
    await relay.close()
    await provider.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(() => relay.reached.splice(0))

  let edges = 0
  function configOf(config: Partial<OpenidConnectConfig>): OpenidConnectConfig {
    const { client_secret: _secret, ...secretless } = configFor(provider.issuer)
    return { ...secretless, ...config }
  }
  async function pass(config: Partial<OpenidConnectConfig>): Promise<void> {
    const edge = relay.edge(`passes${edges++}`, configOf(config))
    const page = await signInAs(new Browser(), edge.url)
    assert.equal(page.status, 200, `${page.body} ${relay.logLines.at(-1)}`)
  }
  async function fail(config: Partial<OpenidConnectConfig>): Promise<void> {
    const edge = relay.edge(`fails${edges++}`, configOf(config))
    relay.reached.length = 0
    const page = await signInAs(new Browser(), edge.url)
    assert.equal(page.status, 400)
    assert.match(page.body, /relay’s log/)
    assert.match(
      relay.logLines.at(-1) ?? '',
      /invalid_client|client authentication failed; are client_id and credentials right/,
    )
    assert.equal(relay.reached.length, 0)
  }
  async function keyFile(key: KeyObject, name: string): Promise<string> {
    const file = join(folder, `${name}.pem`)
    await writeFile(file, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    return file
  }

  it('client_secret_basic encodes id and secret as RFC 6749 2.3.1 requires, whatever is in them', async () => {
    const config = { client_id: ODD_ID, client_authentication: 'client_secret_basic' } as const
    await pass({ ...config, client_secret: new Secret(ODD_SECRET) })
    await fail({ ...config, client_secret: new Secret(`${ODD_SECRET}x`) })
  })

  it('client_secret_post puts them into the form', () =>
    pass({ client_id: 'post', client_secret: new Secret(ODD_SECRET), client_authentication: 'client_secret_post' }))

  it('none, explicit or by default, sends an id and the PKCE verifier', async () => {
    await pass({ client_id: 'public', client_authentication: 'none' })
    await pass({ client_id: 'public' })
  })

  for (const [kind, { privateKey }] of Object.entries(KINDS)) {
    it(`private_key_jwt signs ${kind}`, async () => {
      const file = await keyFile(privateKey, kind)
      // RSA keys can do both; the others have one algorithm, found out from the key.
      const alg = kind === 'PS256' ? ({ alg: 'PS256' } as const) : {}
      await pass({ client_id: kind, client_key: { file, kid: kind, audience: 'issuer', ...alg } })
    })
  }

  it('private_key_jwt names the token endpoint as its audience if the provider wants that', async () => {
    const file = await keyFile(KINDS.ES256.privateKey, 'audience')
    await pass({ client_id: 'ES256', client_key: { file, audience: 'token_endpoint' } })
  })

  it('private_key_jwt with another key is refused, and the key is in no log', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const file = await keyFile(stranger, 'stranger')
    await fail({ client_id: 'ES256', client_key: { file, audience: 'issuer' } })
    const { d } = stranger.export({ format: 'jwk' })
    assert.ok(d && !relay.logLines.join('').includes(d))
    assert.ok(!relay.logLines.join('').includes('PRIVATE KEY'))
  })

  it('an unusable key keeps the relay from starting, with the reason', async () => {
    const ec = await keyFile(KINDS.ES256.privateKey, 'ec')
    const weak = await keyFile(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey, 'weak')
    const text = join(folder, 'text.pem')
    await writeFile(text, 'a secret that is no key')
    const x25519 = await keyFile(generateKeyPairSync('x25519').privateKey, 'x25519')
    const wrong: [OpenidConnectConfig['client_key'] & {}, RegExp][] = [
      [
        { file: join(folder, 'absent.pem'), audience: 'issuer' },
        /there is no such file: \/.*absent\.pem; correct the path, or put the file there/,
      ],
      [{ file: text, audience: 'issuer' }, /holds no private key in PEM/],
      [{ file: weak, audience: 'issuer' }, /shorter than 2048 bits/],
      [{ file: x25519, audience: 'issuer' }, /is not an RSA, EC/],
      [{ file: ec, alg: 'RS256', audience: 'issuer' }, /signs ES256, not RS256/],
    ]
    for (const [client_key, words] of wrong) {
      assert.throws(() => readClientKey(client_key), words)
      const config = configOf({ client_id: 'ES256', client_key })
      assert.throws(
        () => relay.signIn.signInsFor('edg_wrong').action(config),
        (error: unknown) =>
          error instanceof ConfigError && words.test(error.message) && !error.message.includes('a secret that'),
      )
    }
  })
})
