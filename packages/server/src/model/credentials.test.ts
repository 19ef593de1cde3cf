import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ConfigError } from '../errors.ts'
import { passwordProblem } from '../values/basic-credential.ts'
import type { Config } from '../config/config.ts'
import { hashPassword, isPasswordOf, parsePasswordHash } from '../values/password-hash.ts'
import { parseConfig } from '../config/parse-config.ts'
import { signInsOf } from './sign-ins.ts'

const ISSUER = { allow_list: [{ value: 'https://login.example.com' }] }
const AUDIENCE = { allow_list: [{ value: 'api://docs' }] }
const SECRET = 'x'.repeat(32)

function parse(action: object, host = 'docs.example.com', publicUrl = 'https://relay.example.com'): Config {
  const edge = { id: 'edg_docs', hosts: [host], policy: { on_http_request: [{ actions: [action] }] } }
  const file = {
    domain: 'example.com',
    public_url: publicUrl,
    listen: { http: 80 },
    edges: [edge],
  }
  return parseConfig(JSON.stringify(file), { source: 'relay.yml', env: {} })
}

/** The problems of an action, each with the end of its path. */
function problemsOf(action: object, ...where: string[]): string[] {
  try {
    parse(action, ...where)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path.replace(/^.*actions\[0\]\.?/, '')}: ${message}`)
  }
}

function onlyProblem(action: object, expected: RegExp): void {
  const problems = problemsOf(action)
  assert.equal(problems.length, 1, problems.join('\n'))
  assert.match(problems[0] ?? '', expected)
}

const jwt = (config: object): object => ({
  type: 'jwt-validation',
  config: { issuer: ISSUER, audience: AUDIENCE, ...config },
})

describe('the configuration of jwt-validation', () => {
  it('needs only issuer and audience', () => {
    const action = parse(jwt({})).edges[0]?.routes[0]?.policy.on_http_request[0]?.actions[0]
    assert.ok(action?.type === 'jwt-validation')
    assert.equal(action.config.clock_tolerance, 30_000)
    assert.deepEqual(action.config.http.tokens, [{ type: 'jwt', method: 'header', name: 'Authorization' }])
    assert.equal(action.config.forward_credentials, true)
  })

  it('takes ngrok’s form', () => {
    const config = {
      http: { tokens: [{ type: 'jwt', method: 'header', name: 'Authorization', prefix: 'Bearer ' }] },
      jws: {
        allowed_algorithms: ['RS256', 'ES256'],
        keys: { sources: { additional_jkus: ['https://login.example.com/jwks.json'] } },
      },
    }
    assert.deepEqual(problemsOf(jwt(config)), [])
  })

  it('refuses values that would let in too many, or nobody, and S11: scopes that no header can name', () => {
    onlyProblem(jwt({ issuer: { allow_list: [] } }), /issuer\.allow_list: an empty list would refuse every token/)
    onlyProblem(jwt({ audience: { allow_list: [] } }), /audience\.allow_list: an empty list would refuse every token/)
    onlyProblem(
      { type: 'jwt-validation', config: { issuer: ISSUER } },
      /audience: is missing, so tokens that were made for any other app/,
    )
    onlyProblem(
      jwt({ required_claims: [{ claim: 'scope', any_of: [] }] }),
      /any_of: an empty list would let nobody pass/,
    )
    for (const scope of ['lesen☃', 'a b', 'a"b', 'a\\b']) {
      for (const claim of ['scope', 'scp']) {
        onlyProblem(
          jwt({ required_claims: [{ claim, any_of: ['read', scope] }] }),
          /required_claims\[0\]\.any_of\[1\]: is not a scope/,
        )
      }
    }
    assert.deepEqual(problemsOf(jwt({ required_claims: [{ claim: 'role', any_of: ['lesen☃'] }] })), [])
    onlyProblem(jwt({ clock_tolerance: '1h' }), /clock_tolerance: must be a duration of 5m at most/)
    onlyProblem(jwt({ http: { tokens: [] } }), /http\.tokens: an empty list would find no token/)
    onlyProblem(jwt({ http: { tokens: [{ name: 'a b' }] } }), /name: is not the name of a header/)
    assert.deepEqual(
      problemsOf({
        type: 'jwt-validation',
        config: { issuer: ISSUER, required_claims: [{ claim: 'client_id', any_of: ['abc'] }] },
      }),
      [],
    )
  })

  it('attack 21: refuses algorithms that prove nothing, and keys of two kinds beside each other', () => {
    const shared = { keys: { sources: { shared_secret: SECRET } } }
    onlyProblem(jwt({ jws: { allowed_algorithms: ['none'] } }), /"none" is not possible here/)
    onlyProblem(
      jwt({ jws: { allowed_algorithms: ['RS256', 'HS256'] } }),
      /HS256, HS384 and HS512 need keys\.sources\.shared_secret/,
    )
    onlyProblem(
      jwt({ jws: { ...shared, allowed_algorithms: ['HS256', 'RS256'] } }),
      /cannot be combined with public keys/,
    )
    const both = { shared_secret: SECRET, additional_jkus: ['https://login.example.com/jwks'] }
    onlyProblem(jwt({ jws: { keys: { sources: both } } }), /cannot be combined with public keys/)
    onlyProblem(jwt({ jws: { keys: { sources: { shared_secret: 'too short' } } } }), /is shorter than 32 bytes/)
    onlyProblem(jwt({ jws: { ...shared, allowed_algorithms: ['HS512'] } }), /is shorter than 64 bytes/)
    assert.deepEqual(problemsOf(jwt({ jws: shared })), [])
  })

  it('fetches keys over https only', () => {
    for (const value of ['acme.com', 'http://login.example.com', 'https://user:password@login.example.com']) {
      onlyProblem(jwt({ issuer: { allow_list: [{ value }] } }), /issuer\.allow_list\[0\]\.value: is not an https URL/)
    }
    onlyProblem(
      jwt({ jws: { keys: { sources: { additional_jkus: ['http://10.0.0.1/jwks'] } } } }),
      /additional_jkus\[0\]: is not an https URL/,
    )
  })
})

describe('the configuration of basic-auth', () => {
  const basic = (...credentials: unknown[]): object => ({ type: 'basic-auth', config: { credentials } })

  it('takes passwords of 8 to 128 characters and hashes, and never repeats one', async () => {
    const hash = await hashPassword('correct horse')
    assert.deepEqual(problemsOf(basic('ada:12345678', `ada:${'x'.repeat(128)}`, 'ada:with:colons', `ada:${hash}`)), [])
    for (const [credential, expected] of [
      ['ada:1234567', /has a password of 7 characters; it must have 8 to 128/],
      [`ada:${'x'.repeat(129)}`, /has a password of 129 characters/],
      ['no colon here', /must be user:password/],
      [':hunter22222', /must be user:password/],
      ['ada:line\nbreak', /control characters/],
      ['ada:$scrypt$ln=1,r=8,p=1$AAAA$AAAA', /hash that cannot be read; make one with: relay hash-password/],
      [hash.replace('ln=15', 'ln=30').replace(/^/, 'ada:'), /hash that cannot be read/],
      [12_345_678, /must be text; put it in quotes/],
    ] as const) {
      onlyProblem(basic(credential), expected)
      const [said = ''] = problemsOf(basic(credential))
      const password = String(credential).split(':')[1] ?? String(credential)
      assert.ok(!said.includes(password), said)
    }
    onlyProblem(basic(), /credentials: an empty list would let nobody pass/)
    assert.doesNotMatch(JSON.stringify(parse(basic('ada:lovelace'))), /lovelace/)
  })

  it('first-hour 24: reports a bad password to be hashed without mention of a configuration', () => {
    assert.equal(passwordProblem('short'), 'this password has 5 characters; it must have 8 to 128')
    assert.equal(passwordProblem('$scrypt$ln=15,r=8,p=1$x$y'), 'this is a hash already; it can be used as it is')
    assert.equal(passwordProblem('tab\there'), 'a password may not contain control characters, such as a tab')
    assert.equal(passwordProblem('correct: horse'), undefined)
  })

  it('has hashes of one password with different salts', async () => {
    const [one, other] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')])
    assert.notEqual(one, other)
    const hash = parsePasswordHash(one)
    assert.ok(hash)
    assert.equal(await isPasswordOf(hash, 'correct horse'), true)
    assert.equal(await isPasswordOf(hash, 'correct horse '), false)
  })
})

describe('the configuration of any-of', () => {
  const signIn = { type: 'openid-connect', config: { issuer_url: 'https://login.example.com', client_id: 'sallyport' } }
  const anyOf = (...actions: object[]): object => ({ type: 'any-of', config: { actions } })

  it('completes the sign-in in it', () => {
    const [signedIn] = signInsOf(parse(anyOf({ type: 'service-token' }, signIn)).edges)
    assert.match(signedIn?.config.auth_id ?? '', /^[\da-f]{10}$/)
    assert.equal(signedIn?.config.identity_jwt, true)
  })

  it('reports senseless combinations', () => {
    onlyProblem(anyOf({ type: 'service-token' }), /needs a second action/)
    onlyProblem(anyOf(signIn, { type: 'service-token' }), /move it to the end/)
    onlyProblem(anyOf({ type: 'service-token' }, { type: 'deny' }), /type: deny cannot be inside of another action/)
    onlyProblem(
      anyOf({ type: 'service-token' }, { ...signIn, config: { ...signIn.config, id_token_alg: 'HS256' } }),
      /config\.id_token_alg: HS256 is keyed by the client secret/,
    )
  })
})

describe('passwords and tokens', () => {
  it('are not sent over plain http, except on loopback', () => {
    for (const action of [
      { type: 'service-token' },
      { type: 'basic-auth', config: { credentials: ['ada:lovelace'] } },
      jwt({}),
    ]) {
      const { type } = action as { type: string }
      const needed = problemsOf(action, 'docs.example.com', 'http://relay.localhost:8080')
      assert.equal(needed.length, 1)
      assert.match(needed[0] ?? '', new RegExp(`${type} needs https; docs.example.com would be plain http`))
      const inside = {
        type: 'any-of',
        config: { actions: [action, { type: 'restrict-ips', config: { allow: ['10.0.0.0/8'] } }] },
      }
      assert.equal(problemsOf(inside, 'docs.example.com', 'http://relay.localhost:8080').length, 1)
      assert.deepEqual(problemsOf(action, 'docs.localhost', 'http://relay.localhost:8080'), [])
    }
  })
})
