import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Keys } from '../../keys.ts'
import { kindOf } from '../../policy/kind.ts'
import { KINDS } from '../../policy/kinds.ts'
import { openSecrets, sealSecrets, SecretBoxes } from './stored-secrets.ts'

const keys = new Keys(new Uint8Array(32).fill(7))
const boxes = new SecretBoxes(keys, 'edg_x')

const DOCUMENT = {
  id: 'edg_x',
  hosts: ['x.example.com'],
  policy: { on_tcp_connect: [{ actions: [{ type: 'deny' }] }] },
  routes: [
    {
      path_prefix: '/',
      policy: {
        on_http_request: [
          {
            actions: [
              {
                type: 'any-of',
                config: {
                  actions: [
                    { type: 'basic-auth', config: { credentials: ['ada:password-of-ada', 'grace:password-of-grace'] } },
                    {
                      type: 'openid-connect',
                      config: { issuer_url: 'https://a.example', client_id: 'c', client_secret: 'client-secret' },
                    },
                  ],
                },
              },
              { type: 'jwt-validation', config: { jws: { keys: [{ sources: { shared_secret: 'shared-secret' } }] } } },
              { type: 'verify-webhook', config: { provider: 'github', secret: 'webhook-secret' } },
              { type: 'oauth', config: { provider: 'google', client_id: 'c', client_secret: 'client-secret' } },
            ],
          },
        ],
      },
    },
  ],
}
const SECRETS = /password-of|client-secret|shared-secret|webhook-secret/

describe('secrets of stored edges (control plane, 1)', () => {
  it('are taken out wherever they are, and put back as they were', () => {
    const { spec, secrets, problems } = sealSecrets(DOCUMENT, { kinds: KINDS, boxes, before: [] })
    assert.deepEqual(problems, [])
    assert.doesNotMatch(JSON.stringify([spec, secrets]), SECRETS)
    assert.equal(secrets.length, 6)
    assert.match(JSON.stringify(spec), /"user":"grace"/)
    assert.deepEqual(openSecrets(spec, { kinds: KINDS, boxes, secrets }), { written: DOCUMENT, problems: [] })
    assert.equal(new Set(secrets.map(({ fingerprint }) => fingerprint)).size, 5, 'equal secrets look equal')
  })

  it('open for their own edge, with their own key, and beside their own recipient only', () => {
    const { spec, secrets } = sealSecrets(DOCUMENT, { kinds: KINDS, boxes, before: [] })
    const others = [new SecretBoxes(keys, 'edg_y'), new SecretBoxes(new Keys(new Uint8Array(32).fill(8)), 'edg_x')]
    for (const other of others) {
      const { written, problems } = openSecrets(spec, { kinds: KINDS, boxes: other, secrets })
      assert.equal(problems.length, 6)
      assert.doesNotMatch(JSON.stringify(written), SECRETS)
    }
    const moved = JSON.parse(JSON.stringify(spec).replace('"google"', '"gitlab"')) as unknown
    const { problems } = sealSecrets(moved, { kinds: KINDS, boxes, before: secrets })
    assert.deepEqual(
      problems.map(({ path }) => path.join('.')),
      ['routes.0.policy.on_http_request.0.actions.3.config.client_secret'],
    )
  })

  it('include every key that is called a secret, a password or credentials', () => {
    const named = Object.keys(KINDS).flatMap((type) => {
      const { schema, secretKeys = [] } = kindOf(KINDS, type) ?? assert.fail(type)
      if (typeof schema === 'function') return []
      const keysOfSchema = JSON.stringify(schema, (key, value: unknown) => (key === 'shape' ? [value, Object.keys(value as object)] : value)) // prettier-ignore
      return [...keysOfSchema.matchAll(/"(\w*(?:secret|password|credentials)\w*)":/g)].flatMap(([, name = '']) =>
        secretKeys.some((key) => key.split('.').at(-1) === name) || NOT_SECRET.has(name) ? [] : [`${type} ${name}`],
      )
    })
    assert.deepEqual(named, [])
  })
})

/** Whether the app gets the header; and ways of showing a secret. */
const NOT_SECRET = new Set(['forward_credentials', 'client_secret_basic', 'client_secret_post'])
