import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseEndpoint } from '../../model/parse-endpoint.ts'
import { warningsOf } from '../../model/policy-warnings.ts'

const KEYS = 'https://login.example.com/keys'
const ISSUER = { allow_list: [{ value: 'acme' }] }

function parse(config: object) {
  return parseEndpoint(
    { on_http_request: [{ actions: [{ type: 'jwt-validation', config }] }] },
    {
      id: 'edg_x',
      host: 'x.example.com',
      publicUrl: new URL('https://relay.example.com'),
      issuers: { problemOf: ({ hostname }) => (hostname.endsWith('.example.com') ? undefined : 'is inside') },
      identityJwt: true,
    },
  )
}

function problemsOf(config: object): string[] {
  const parsed = parse(config)
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.slice(5).join('.')} ${message}`)
}

function warnings(config: object): string[] {
  const parsed = parse(config)
  assert.ok(parsed.ok)
  return warningsOf(parsed.edge)
}

describe('the configuration of jwt-validation (traffic policy, jwt-validation)', () => {
  it('takes ngrok’s example, and lists as in its tables', () => {
    const sources = { additional_jkus: [KEYS] }
    const config = {
      issuer: { allow_list: [{ value: 'https://example.com/issuer' }] },
      audience: { allow_list: [{ value: 'urn:example:api' }] },
      http: {
        tokens: [
          { type: 'access_token', method: 'header', name: 'Authorization', prefix: 'Bearer ' },
          { type: 'it+jwt', method: 'body', name: '_id_token' },
        ],
      },
    }
    const written = [
      { sources },
      [{ sources: [sources], identification: { token_claims: ['kid'] } }],
      [{ sources: { additional_jkus: [KEYS] } }, { sources: { additional_jkus: [`${KEYS}2`] } }],
    ]
    for (const keys of written) {
      const jws = { allowed_algorithms: ['RS256', 'ES256'], keys }
      assert.deepEqual(problemsOf({ ...config, jws }), [])
      assert.deepEqual(warnings({ ...config, jws }), [])
    }
    const both = { ...config, jws: { keys: written[2] } }
    const parsed = parse(both)
    assert.ok(parsed.ok)
    const [action] = parsed.edge.routes[0]?.policy.on_http_request[0]?.actions ?? []
    const complete = action?.config as { jws: { keys: { sources: { additional_jkus: string[] } } } } // its schema
    assert.deepEqual(complete.jws.keys.sources.additional_jkus, [KEYS, `${KEYS}2`])
  })

  it('requires an audience if it finds the keys itself, and warns if URLs name them (14.16)', () => {
    const jws = { keys: { sources: { additional_jkus: [KEYS] } } }
    assert.match(warnings({ issuer: ISSUER, jws }).join(), /jwt-validation without audience/)
    assert.match(warnings({ issuer: ISSUER, audience: {}, jws }).join(), /without audience/)
    const claims = [{ claim: 'client_id', any_of: ['me'] }]
    assert.deepEqual(warnings({ issuer: ISSUER, jws, required_claims: claims }), [])
    const found = { allow_list: [{ value: 'https://login.example.com' }] }
    assert.match(problemsOf({ issuer: found }).join(), /^audience is missing/)
    assert.match(problemsOf({ issuer: ISSUER }).join(), /issuer\.allow_list\.0\.value is not an https URL/)
  })

  it('may come from an agent, but without internal key sets, and without files', () => {
    const audience = { allow_list: [{ value: 'x' }] }
    const inside = { allow_list: [{ value: 'https://login.internal' }] }
    assert.deepEqual(problemsOf({ issuer: inside, audience }), ['issuer.allow_list.0.value is inside'])
    const jws = { keys: [{ sources: { additional_jkus: [KEYS, 'https://10.0.0.1/keys'] } }] }
    assert.deepEqual(problemsOf({ issuer: ISSUER, jws }), ['jws.keys.sources.additional_jkus.1 is inside'])
    const secret = { keys: { sources: { shared_secret: 'a secret that both of them have known since long ago' } } }
    assert.deepEqual(problemsOf({ issuer: ISSUER, audience, jws: secret }), [])
    assert.deepEqual(problemsOf({ issuer: ISSUER, audience, jws: secret, provider_ca_file: '/etc/passwd' }), [
      'provider_ca_file is possible only in the configuration of the relay',
    ])
  })

  it('reports problems with the place of a token', () => {
    const at = (token: object) =>
      problemsOf({ issuer: ISSUER, jws: { keys: { sources: { additional_jkus: [KEYS] } } }, http: { tokens: [token] } })
    assert.deepEqual(at({ method: 'body', name: 'a token' }), [])
    assert.deepEqual(at({ method: 'header', name: 'a token' }), [
      'http.tokens.0.name is not the name of a header or cookie',
    ])
    assert.deepEqual(at({ method: 'body', name: 'a'.repeat(129) }), [
      'http.tokens.0.name is longer than 128 characters',
    ])
    assert.match(at({ name: 'X-A', prefix: 'two words' }).join(), /^http\.tokens\.0\.prefix must be one word/)
    assert.match(at({ name: 7 }).join(), /^http\.tokens\.0\.name .*quotes/)
    assert.match(at({ method: 'query', name: 'a' }).join(), /write header or body or cookie/)
  })
})
