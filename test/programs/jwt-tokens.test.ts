// jwt-validation with several tokens, and with tokens in bodies: all must be there and valid, and the app gets the body byte for
// byte. Real relay, agent and sockets, over HTTP/1.1, HTTP/2 and an upgrade; the app says what has come to it.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { RawClient } from '../support/raw-client.ts'
import { acceptWebSocket } from '../support/raw-web-socket.ts'
import { startStack, type Stack } from '../support/stack.ts'
import { visit, WAYS } from '../support/three-ways.ts'
import { TokenIssuer } from '../support/identity-provider/token-issuer.ts'

const FORM = 'application/x-www-form-urlencoded'
const ID_TOKEN = { type: 'it+jwt', method: 'body', name: '_id_token' }
const ACCESS_TOKEN = { type: 'access_token', method: 'header', name: 'Authorization', prefix: 'Bearer ' }

describe('jwt-validation with several tokens', { timeout: 60_000 }, () => {
  let stack: Stack
  let issuer: TokenIssuer
  let got: { headers: IncomingHttpHeaders; body: string }[] = []

  before(async () => {
    issuer = await TokenIssuer.start()
    const app = createServer((request, response) => {
      void buffer(request).then((body) => {
        got.push({ headers: request.headers, body: body.toString() })
        response.end('taken')
      })
    })
    app.on('upgrade', (request, socket) => {
      got.push({ headers: request.headers, body: '' })
      acceptWebSocket(request, socket)
    })
    const edge = (name: string, actions: object[]): string =>
      `- ${JSON.stringify({
        id: `edg_${name}`,
        hosts: [`${name}.localhost`],
        backend: { labels: { edge: 'edg_app' } },
        policy: { on_http_request: [{ actions }] },
      })}`
    const validation = (...tokens: object[]) => ({
      type: 'jwt-validation',
      config: {
        issuer: { allow_list: [{ value: issuer.url }] },
        audience: { allow_list: [{ value: 'api://docs' }] },
        http: { tokens },
      },
    })
    const shown = {
      'X-Kinds': '${actions.ngrok.jwt_validation.tokens.map(t, t.location + ":" + t.location_property).join(",")}',
      'X-Tier': '${actions.ngrok.jwt_validation.tokens[0].payload.tier}',
      'X-Kid': '${actions.sallyport.jwt_validation.tokens[0].header.kid}',
      'X-Verified': '${actions.ngrok.jwt_validation.tokens.all(t, t.verified && t.signature != "")}',
    }
    const either = {
      type: 'any-of',
      config: { actions: [validation(ACCESS_TOKEN), { type: 'restrict-ips', config: { allow: ['127.0.0.0/8'] } }] },
    }
    const error = {
      'X-Error': '${has(actions.ngrok.jwt_validation.error) ? actions.ngrok.jwt_validation.error.code : "none"}',
    }
    stack = await startStack({
      app,
      listen: 'http2: all',
      edges: [
        edge('both', [validation(ID_TOKEN, ACCESS_TOKEN)]),
        edge('body', [validation({ ...ID_TOKEN, prefix: 'jwt' })]),
        edge('shown', [validation(ACCESS_TOKEN), { type: 'set-headers', config: { headers: shown } }]),
        edge('either', [either, { type: 'set-headers', config: { headers: error } }]),
      ].join('\n'),
    })
  })
  after(async () => {
    issuer.close()
    await stack.close()
  })
  beforeEach(() => void (got = []))

  const bearer = async (claims?: Record<string, unknown>) => ({ authorization: `Bearer ${await issuer.token(claims)}` })
  const post = (host: string, body: string, headers: Record<string, string> = {}, method = 'POST') =>
    ask(stack.port, {
      host: `${host}.localhost`,
      method,
      body,
      headers: { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)), ...headers },
    })

  it('lets requests with all of them pass, and the first one of the list names the visitor', async () => {
    const body = JSON.stringify({ _ID_token: await issuer.token({ sub: 'ada' }), more: 'ü'.repeat(70_000) })
    for (const method of ['POST', 'PUT', 'PATCH']) {
      const answer = await post('both', body, await bearer({ sub: 'a program' }), method)
      assert.equal(answer.status, 200, answer.body)
    }
    assert.deepEqual(new Set(got.map((each) => each.body)), new Set([body]), 'byte for byte')
    assert.deepEqual(new Set(got.map(({ headers }) => headers['sallyport-auth-user-id'])), new Set(['ada']))
    assert.ok(got.every(({ headers }) => headers.authorization?.startsWith('Bearer ')))
  })

  it('refuses requests with a missing or invalid one, and no byte of them reaches the app', async () => {
    const inBody = (token: string) => JSON.stringify({ _id_token: token })
    const good = inBody(await issuer.token())
    const expired = { exp: Math.floor(Date.now() / 1000) - 100 }
    const refusals = [
      await post('both', good),
      await post('both', '{}', await bearer()),
      await post('both', good, await bearer(expired)),
      await post('both', inBody(await issuer.token(expired)), await bearer()),
      await post('both', inBody(await issuer.token({}, { typ: 'at+jwt' })), await bearer()),
      await post('both', good, { ...(await bearer()), 'content-type': 'text/plain' }),
      await post('both', good, { ...(await bearer()), 'content-encoding': 'gzip' }),
      await post('both', good, await bearer(), 'DELETE'),
      await post('both', `${good.slice(0, -1)},"_id_token":"x"}`, await bearer()),
    ]
    assert.deepEqual(
      refusals.map(({ status }) => status),
      refusals.map(() => 401),
    )
    assert.match(String(refusals[2]?.headers['www-authenticate']), /the token has expired/)
    const [headers] = [Object.entries(await bearer())]
    for (const way of WAYS) assert.equal(await visit(way, stack.port, { host: 'both.localhost', headers }), 401, way)
    assert.deepEqual(got, [])
  })

  it('reads forms, and tokens after a prefix', async () => {
    const form = `a=1&_id_token=jwt+${await issuer.token({ sub: 'ada' })}`
    assert.equal((await post('body', form, { 'content-type': FORM })).status, 200)
    assert.equal((await post('body', form.replace('jwt+', ''), { 'content-type': FORM })).status, 401)
    assert.deepEqual(
      got.map((each) => each.body),
      [form],
    )
    assert.equal(got[0]?.headers['sallyport-auth-user-id'], 'ada')
  })

  it('bounds bodies, and sends 100 Continue unless it refuses the head', async () => {
    const big = 'x'.repeat(1024 * 1024 + 1)
    assert.equal((await post('body', big)).status, 413)
    const announce = async (host: string, length: number): Promise<string> => {
      const client = new RawClient(stack.port)
      client.write(
        `POST / HTTP/1.1\r\nHost: ${host}.localhost\r\nContent-Type: ${FORM}\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`,
      )
      const text = await client.until(/^HTTP\/1\.1 \d+/)
      client.close()
      return text.slice(9, 12)
    }
    assert.equal(await announce('body', 100), '100')
    assert.equal(await announce('body', big.length), '413')
    assert.equal(await announce('both', 100), '401', 'no body is asked for that cannot pass')
    assert.deepEqual(got, [])
  })

  it('tells expressions its result', async () => {
    const answer = await ask(stack.port, { host: 'shown.localhost', headers: await bearer({ tier: 'gold' }) })
    assert.equal(answer.status, 200, answer.body)
    const { 'x-kinds': kinds, 'x-tier': tier, 'x-kid': kid, 'x-verified': verified } = got[0]?.headers ?? {}
    assert.deepEqual([kinds, tier, kid, verified], ['header:authorization', 'gold', 'first', 'true'])
    const deep = await bearer({ tier: JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown })
    assert.equal((await ask(stack.port, { host: 'shown.localhost', headers: deep })).status, 500)
    assert.equal(got.length, 1)
  })

  it('tells them the reason for a refusal, if another action lets the request pass', async () => {
    const codes = [{}, { authorization: 'Bearer a.b.c' }, await bearer()]
    for (const headers of codes)
      assert.equal((await ask(stack.port, { host: 'either.localhost', headers })).status, 200)
    assert.deepEqual(
      got.map(({ headers }) => headers['x-error']),
      ['credentials_required', 'credentials_refused', 'none'],
    )
  })
})
