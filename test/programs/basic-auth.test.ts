// basic-auth, from the visitor to the app: the credentials that pass, the headers that the app gets, and the limits on
// guessing.

import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { after, before, beforeEach, describe, it } from 'node:test'

import { decodeJwt } from 'jose'

import { hashPassword } from '../../packages/server/src/values/password-hash.ts'
import { ask } from '../support/ask.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket, webSocketRequest } from '../support/raw-web-socket.ts'
import { httpApp, startStack, type Stack } from '../support/stack.ts'

const PASSWORD = 'lovelace: 1815'
const HASHED_PASSWORD = 'grüße an alle'

const basic = (credentials: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
})

describe('basic-auth', { timeout: 60_000 }, () => {
  let stack: Stack
  let seen: IncomingHttpHeaders[] = []

  before(async () => {
    const app = httpApp((request, response) => {
      seen.push(request.headers)
      response.end('the app')
    })
    app.on('upgrade', (request, socket) => {
      seen.push(request.headers)
      acceptWebSocket(request, socket)
    })
    stack = await startStack({
      app,
      config:
        'limits: { failed_passwords_per_minute: 5, failed_passwords_per_user_per_minute: 12 }\ntrusted_proxies: [127.0.0.1]',
      edges: `
- id: edg_app
  hosts: [app.localhost]
  policy:
    on_http_request:
      - actions:
          - type: basic-auth
            config:
              realm: The docs
              credentials: ["ada:${PASSWORD}", "ada:another one", "bob:${await hashPassword(HASHED_PASSWORD)}"]
- id: edg_many
  hosts: [many.localhost]
  backend: { labels: { edge: edg_app } }
  policy:
    on_http_request:
      - actions: [{ type: basic-auth, config: { credentials: ["ada:${PASSWORD}"] } }]
- id: edg_forward
  hosts: [forward.localhost]
  backend: { labels: { edge: edg_app } }
  policy:
    on_http_request:
      - actions:
          - { type: basic-auth, config: { credentials: ["ada:${PASSWORD}"], forward_credentials: true } }
`,
    })
  })
  after(() => stack.close())
  beforeEach(() => (seen = []))

  let addresses = 0
  /** From a fresh address, named by a trusted proxy, unless one is given. */
  const send = (headers: Record<string, string>, host = 'app.localhost', from = `192.0.2.${(addresses += 1)}`) =>
    ask(stack.port, { host, headers: { 'x-forwarded-for': from, ...headers } })

  it('asks visitors without credentials, and ignores other schemes', async () => {
    for (const headers of [{}, { authorization: 'Bearer abc' }, { authorization: 'Basic' }]) {
      const answer = await send(headers)
      assert.equal(answer.status, 401)
      assert.equal(answer.headers['www-authenticate'], 'Basic realm="The docs", charset="UTF-8"')
      assert.equal(answer.headers['sallyport-error-code'], 'ERR_CREDENTIALS_REQUIRED')
      assert.equal(answer.headers['content-type'], 'application/problem+json')
    }
    assert.deepEqual(seen, [])
  })

  it('lets in with a password of the list, hashed or not, and tells the app the user, but not the password', async () => {
    for (const [user, password] of [
      ['ada', PASSWORD],
      ['ada', 'another one'],
      ['bob', HASHED_PASSWORD],
      ['bob', HASHED_PASSWORD],
    ] as const) {
      seen = []
      const answer = await send({ ...basic(`${user}:${password}`), 'sallyport-auth-user-id': 'root' })
      assert.equal(answer.status, 200, answer.body)
      const [headers] = seen
      assert.equal(headers?.authorization, undefined)
      assert.equal(headers?.['sallyport-auth-user-id'], user)
      const claims = decodeJwt(String(headers?.['sallyport-auth-jwt']))
      assert.deepEqual([claims.sub, claims.idp, claims.aud], [user, 'basic-auth', 'edg_app'])
    }
    assert.equal(
      (await send({ authorization: basic(`ada:${PASSWORD}`).authorization!.replace('Basic', 'bAsIc') })).status,
      200,
    )
  })

  it('passes the header on if the route says so', async () => {
    const headers = basic(`ada:${PASSWORD}`)
    assert.equal((await send(headers, 'forward.localhost')).status, 200)
    assert.equal(seen[0]?.authorization, headers.authorization)
  })

  it('refuses all credentials that are nearly right', async () => {
    const wrong = [
      basic(`ada:${PASSWORD} `),
      basic(`ada:${PASSWORD.slice(1)}`),
      basic(`Ada:${PASSWORD}`),
      basic(`bob:${PASSWORD}`),
      basic(`ada:${HASHED_PASSWORD}`),
      basic(`eve:${HASHED_PASSWORD}`),
      basic(`:${PASSWORD}`),
      basic('ada:'),
      basic(':'),
      basic('ada'),
      basic('__proto__:constructor'),
      basic(`ada:${'x'.repeat(4000)}`),
      { authorization: 'Basic !!!!' },
      { authorization: `Basic ${Buffer.from(`ada:${PASSWORD}`).toString('base64')}, Basic eDp5` },
    ]
    for (const headers of wrong) {
      const answer = await send(headers)
      assert.equal(answer.status, 401, JSON.stringify(headers).slice(0, 200))
      assert.equal(answer.headers['sallyport-error-code'], 'ERR_CREDENTIALS_REFUSED')
    }
    assert.deepEqual(seen, [])
  })

  it('counts wrong passwords by address: after a few, even the right one is refused', async () => {
    const from = '198.51.100.1'
    for (let tries = 0; tries < 5; tries++)
      assert.equal((await send(basic(`ada:wrong ${tries}`), undefined, from)).status, 401)
    const right = await send(basic(`ada:${PASSWORD}`), undefined, from)
    assert.equal(right.status, 429)
    assert.deepEqual(seen, [])
    assert.equal(
      (await send(basic(`ada:${PASSWORD}`), undefined, '198.51.100.2')).status,
      200,
      'others are not held up',
    )
  })

  it('many tries at once are many', async () => {
    const from = '198.51.100.3'
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) => send(basic(`bob:guess number ${index}`), undefined, from)),
    )
    const statuses = answers.map(({ status }) => status)
    assert.equal(statuses.filter((status) => status === 401).length, 5)
    assert.equal(statuses.filter((status) => status === 429).length, 35)
    assert.deepEqual(seen, [])
  })

  it('S7: counts wrong passwords by user as well, but locks nobody out of a network that let them in', async () => {
    const right = basic(`ada:${PASSWORD}`)
    const home = '2001:db8:5:5::1'
    assert.equal((await send(right, 'many.localhost', home)).status, 200)
    seen = []
    const statuses: number[] = []
    for (let tries = 0; tries < 15; tries++) {
      const from = `2001:db8:6:${tries}::1` // a fresh network each time
      statuses.push((await send(basic(`ada:wrong ${tries}`), 'many.localhost', from)).status)
    }
    assert.deepEqual(statuses, [...Array<number>(12).fill(401), 429, 429, 429])
    assert.equal((await send(right, 'many.localhost', '2001:db8:6:99::1')).status, 429, 'else a right guess would show')
    assert.deepEqual(seen, [])
    assert.equal((await send(right, 'many.localhost', '2001:db8:5:5::2')).status, 200, 'from the same network')
    assert.equal((await send(right)).status, 200, 'the same name at another edge')
  })

  it('attack 32: an upgrade from a page of another site is refused, because browsers send passwords along', async () => {
    const upgrade = async (...origin: string[]): Promise<string> => {
      const client = new RawClient(stack.port)
      const { authorization } = basic(`ada:${PASSWORD}`)
      client.write(webSocketRequest('app.localhost', [`Authorization: ${authorization}`, ...origin]))
      const status = await client.until(/^HTTP\/1\.1 \d+/)
      client.close()
      return status
    }
    assert.match(await upgrade('Origin: https://evil.example'), /^HTTP\/1\.1 403/)
    assert.deepEqual(seen, [])
    assert.match(await upgrade(), /^HTTP\/1\.1 101/)
    assert.match(await upgrade('Origin: http://app.localhost'), /^HTTP\/1\.1 101/)
    assert.equal(seen.length, 2)
  })

  it('attack 44: no password is in any log line', () => {
    const log = stack.log.join('\n')
    assert.ok(log.includes('ERR_CREDENTIALS_REFUSED'))
    for (const text of [
      'lovelace',
      'grüße',
      'scrypt',
      'guess number',
      Buffer.from(`ada:${PASSWORD}`).toString('base64'),
    ]) {
      assert.ok(!log.includes(text), text)
    }
  })
})
