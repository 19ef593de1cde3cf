import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseEndpoint } from '../../model/parse-endpoint.ts'

function problemsOf(config: object, publicUrl = 'https://relay.example.com'): string[] {
  const policy = { on_http_request: [{ actions: [{ type: 'verify-webhook', config }] }] }
  const parsed = parseEndpoint(policy, {
    id: 'edg_x',
    host: 'x.example.com',
    publicUrl: new URL(publicUrl),
    issuers: { problemOf: () => undefined },
    identityJwt: true,
  })
  return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.slice(5).join('.')} ${message}`)
}

describe('the configuration of verify-webhook (traffic policy, verify-webhook)', () => {
  it('may come from an agent', () => {
    assert.deepEqual(problemsOf({ provider: 'github', secret: 'a secret', enforce: false }), [])
  })

  it('says what to do about an unsupported provider, and suggests a name for an unknown one', () => {
    assert.match(
      problemsOf({ provider: 'xero', secret: 'x' }).join(),
      /^provider xero is a provider that this relay cannot/,
    )
    assert.match(problemsOf({ provider: 'sns', secret: 'x' }).join(), /^provider sns signs with a certificate/)
    assert.match(
      problemsOf({ provider: 'githob', secret: 'x' }).join(),
      /"githob" is not possible.*did you mean github\?/,
    )
    assert.match(problemsOf({ secret: 'x' }).join(), /^provider /)
    assert.match(problemsOf({ provider: ['github'], secret: 'x' }).join(), /^provider /)
  })

  it('refuses an impossible secret of the provider, without repeating it', () => {
    const short = problemsOf({ provider: 'svix', secret: 'whsec_dG9vLXNob3J0' }).join()
    assert.match(short, /^secret is not a signing secret, which is whsec_ followed by base64/)
    assert.match(
      problemsOf({ provider: 'clerk', secret: 'what is no base64 at all' }).join(),
      /^secret is not a signing/,
    )
    assert.match(problemsOf({ provider: 'gitlab', secret: 'whsec_!' }).join(), /^secret is not a signing secret/)
    const key = problemsOf({ provider: 'sendgrid', secret: 'SG.private' }).join()
    assert.match(key, /^secret is not a public key of SendGrid/)
    assert.doesNotMatch(key, /private/)
  })

  it('refuses a secret that is sent in clear over plain http', () => {
    const plain = 'http://relay.localhost:8080'
    assert.match(
      problemsOf({ provider: 'gitlab', secret: 'a token' }, plain).join(),
      /^secret is sent with each delivery/,
    )
    assert.deepEqual(problemsOf({ provider: 'github', secret: 'a secret' }, plain), [])
  })
})
