// The line of an exchange in the log: its exact fields. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const POLICY = {
  on_http_request: [{ actions: [{ type: 'basic-auth', config: { credentials: ['ada:correct horse'] } }] }],
}
const SECRET = 'a secret that both of them have known since long ago'
const JWT = {
  issuer: { allow_list: [{ value: 'acme.com' }] },
  audience: { allow_list: [{ value: 'docs' }] },
  jws: { keys: { sources: { shared_secret: SECRET } } },
  required_claims: [{ claim: 'scope', any_of: ['docs.read'] }],
}
const API = { on_http_request: [{ actions: [{ type: 'jwt-validation', config: JWT }] }] }
const EDGES = `
- ${JSON.stringify({ id: 'edg_app', hosts: ['app.localhost'], policy: POLICY })}
- ${JSON.stringify({ id: 'edg_api', hosts: ['api.localhost'], policy: API })}`
const HEADERS = {
  authorization: `Basic ${Buffer.from('ada:correct horse').toString('base64')}`,
  cookie: 'session=secret',
  'user-agent': 'secret',
}

function tokenOf(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 60
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ ...claims, exp })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** The lines so far; waits for a number of them, since the answer may arrive before them. */
async function exchangesIn(log: readonly string[], count: number): Promise<Record<string, unknown>[]> {
  const found = (): Record<string, unknown>[] => {
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>) // the log is JSON
    return lines.filter(({ msg }) => msg === 'exchange')
  }
  await until(`the relay logs ${count} exchanges`, () => found().length >= count)
  return found()
}

describe('the line of an exchange', { timeout: 60_000 }, () => {
  const app = new RecordingApp()
  let stack: Stack
  let quiet: Stack
  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES })
    quiet = await startStack({ app: new RecordingApp().server, edges: EDGES, config: 'log: { access: false }' })
  })
  beforeEach(() => void (stack.log.length = 0))
  after(() => Promise.all([stack.close(), quiet.close()]))

  it('has the visitor, the request, its tunnel and its result', async () => {
    await ask(stack.port, { host: 'app.localhost', path: '/page?code=secret', headers: HEADERS })
    const [line = {}] = await exchangesIn(stack.log, 1)
    const { level, time, ms, tunnelId, requestId, ...rest } = line
    assert.deepEqual([typeof level, typeof time, typeof ms, typeof tunnelId], ['number', 'string', 'number', 'string'])
    assert.equal(requestId, app.values('sallyport-request-id')[0])
    assert.deepEqual(rest, {
      method: 'GET',
      host: 'app.localhost',
      path: '/page',
      status: 200,
      clientIp: '127.0.0.1',
      edgeId: 'edg_app',
      user: 'ada',
      msg: 'exchange',
    })
    await ask(stack.port, { host: 'app.localhost', path: '/page', headers: { authorization: 'Basic secret' } })
    assert.equal((await exchangesIn(stack.log, 2))[1]?.code, 'ERR_CREDENTIALS_REFUSED')
    assert.doesNotMatch(stack.log.join(''), /secret|correct horse/)
  })

  it('first-hour 13: has the id that an answer of the relay shows to people and programs', async () => {
    const ask13 = (headers: Record<string, string>, method = 'GET'): ReturnType<typeof ask> =>
      ask(stack.port, {
        host: 'app.localhost',
        path: '/page',
        method,
        headers: { ...headers, 'sallyport-request-id': 'evil' },
      })
    const page = await ask13({ accept: 'text/html' })
    const problem = await ask13({ accept: 'application/json' })
    const nothing = await ask13({}, 'HEAD')
    const call = await ask13({ 'content-type': 'application/grpc' }, 'POST')
    const ids = (await exchangesIn(stack.log, 4)).map(({ requestId }) => String(requestId))
    assert.equal(new Set(ids).size, 4)
    assert.match(page.body, new RegExp(`answered by the Sallyport relay · ${ids[0]}</footer>`))
    assert.equal((JSON.parse(problem.body) as { requestId: string }).requestId, ids[1])
    assert.deepEqual(
      [page, problem, nothing, call].map(({ headers }) => headers['sallyport-request-id']),
      ids,
    )
  })

  it('first-hour 13: names the refused visitor if known, and nobody otherwise', async () => {
    const upgrade = { ...HEADERS, connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' }
    const evil = { ...upgrade, 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==', origin: 'https://evil.example' }
    const wrong = { authorization: `Basic ${Buffer.from('ada:wrong').toString('base64')}` }
    await ask(stack.port, { host: 'app.localhost', headers: evil })
    await ask(stack.port, { host: 'app.localhost', headers: { ...evil, ...wrong } })
    for (const sub of ['robot', '']) {
      const token = tokenOf({ iss: 'acme.com', aud: 'docs', scope: 'mail', ...(sub && { sub }) })
      await ask(stack.port, { host: 'api.localhost', headers: { authorization: `Bearer ${token}` } })
    }
    const lines = await exchangesIn(stack.log, 4)
    assert.deepEqual(
      lines.map(({ status, code, user }) => [status, code, user]),
      [
        [403, 'ERR_ORIGIN_REFUSED', 'ada'],
        [401, 'ERR_CREDENTIALS_REFUSED', undefined],
        [403, 'ERR_CREDENTIALS_INSUFFICIENT', 'robot'],
        [401, 'ERR_CREDENTIALS_REFUSED', undefined],
      ],
    )
  })

  it('S9: has no more than 2 kB of a path', async () => {
    await ask(stack.port, { host: 'app.localhost', path: `/${'a'.repeat(20_000)}`, headers: HEADERS })
    assert.equal((await exchangesIn(stack.log, 1))[0]?.path, `/${'a'.repeat(2047)}…`)
  })

  it('is left out if log.access is false, unless there is an error', async () => {
    await ask(quiet.port, { host: 'app.localhost', headers: HEADERS })
    await ask(quiet.port, { host: 'nowhere.localhost' })
    const [line, ...others] = await exchangesIn(quiet.log, 1)
    assert.deepEqual([line?.host, line?.code, others], ['nowhere.localhost', 'ERR_EDGE_NOT_FOUND', []])
  })
})
