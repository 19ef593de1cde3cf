// Rules with conditions: the visitors that an action applies to, the values that an expression reads, and the result of
// a failing expression. Asserted at the app and at the visitor, for every kind of request. Real relay, agent and
// sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

interface Rule {
  name?: string
  expressions?: string[]
  actions: object[]
}

const deny = (status_code: number): object => ({ type: 'deny', config: { status_code } })
const set = (headers: object): object => ({ type: 'set-headers', config: { headers } })
const remove = (...headers: string[]): object => ({ type: 'remove-headers', config: { headers } })
const edge = (name: string, onRequest: Rule[], onResponse: Rule[] = []): string =>
  JSON.stringify({
    id: `edg_${name}`,
    hosts: [`${name}.localhost`],
    backend: { labels: { edge: 'edg_app' } },
    policy: { on_http_request: onRequest, on_http_response: onResponse },
  })

const EDGES = [
  edge('chain', [
    { expressions: [], actions: [set({ 'X-Always': '1' })] },
    { expressions: ["req.url.path.startsWith('/admin')", "!hasReqHeader('x-token')"], actions: [deny(402)] },
    {
      expressions: ["'x-always' in req.headers && getReqHeader('X-Always')[0] == '1'"],
      actions: [set({ 'X-Seen': 'edit' })],
    },
    {
      expressions: ["getReqHeader('x-role').exists(r, r == 'guest')"],
      actions: [remove('X-Role'), set({ 'X-Guest': 'yes' })],
    },
    { expressions: ["req.method == 'DELETE'"], actions: [deny(405)] },
  ]),
  edge('throws', [
    { name: 'needs a role', expressions: ["req.headers['x-role'][0] == 'admin'"], actions: [deny(403)] },
  ]),
  edge('guarded', [
    { expressions: ["'x-role' in req.headers && req.headers['x-role'][0] == 'admin'"], actions: [deny(418)] },
  ]),
  edge('path', [{ expressions: ["req.url.path.startsWith('/public')"], actions: [set({ 'X-Public': '1' })] }]),
  edge('host', [{ expressions: ["req.host == 'nobody'"], actions: [deny(403)] }]),
  edge(
    'answer',
    [],
    [
      {
        expressions: ["res.status_code < 400 && getResHeader('x-kind').exists(v, v == 'b')"],
        actions: [set({ 'X-Answer': 'b' })],
      },
      { expressions: ["req.url.path == '/no-cache'"], actions: [set({ 'Cache-Control': 'no-store' })] },
    ],
  ),
  edge('badanswer', [], [{ expressions: ["res.headers['x-none'][0] == 'b'"], actions: [remove('x-kind')] }]),
]

describe('conditions (traffic policy, the engine)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    app.answerLines = ['X-Kind: a', 'X-Kind: b']
    stack = await startStack({
      app: app.server,
      edges: EDGES.map((each) => `- ${each}`).join('\n'),
      listen: 'http2: all',
    })
  })
  after(() => stack.close())

  for (const way of WAYS) {
    const fine = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: [string, string][] = []) =>
      wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })

    it(`let a rule run only if all of its expressions hold, over ${way}`, async () => {
      const before_ = app.heads.length
      assert.equal((await ask('chain', '/admin/x')).status, 402)
      assert.equal(app.heads.length, before_, 'nothing has reached the app')
      assert.equal((await ask('chain', '/admin/x', [['X-Token', 't']])).status, fine)
      assert.deepEqual(app.values('x-seen'), ['edit'], 'what an earlier action has set is seen')
      assert.deepEqual(app.values('x-guest'), [])
    })

    it(`refuse a request for which an expression fails, over ${way}`, async () => {
      const before_ = app.heads.length
      const answer = await ask('throws')
      assert.equal(answer.status, 500)
      assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), ['ERR_EXPRESSION_FAILED'])
      assert.equal(app.heads.length, before_, 'nothing has reached the app')
      assert.doesNotMatch(answer.body.toString(), /x-role|admin/, 'the visitor learns nothing of the rule')
      assert.equal((await ask('throws', '/', [['x-role', 'guest']])).status, fine)
      assert.equal((await ask('guarded')).status, fine)
      assert.equal((await ask('guarded', '/', [['X-Role', 'admin']])).status, 418)
    })

    it(`refuse a path with two readings that would decide differently, over ${way}`, async () => {
      const before_ = app.heads.length
      for (const path of ['/public/..%2fadmin', '/public/a%2fb/../../admin', '/%70ublic/x', '/x/..;/public']) {
        const answer = await ask('path', path)
        assert.equal(answer.status, 400, path)
        assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), ['ERR_PATH_AMBIGUOUS'], path)
      }
      assert.equal(app.heads.length, before_, 'nothing has reached the app')
      assert.equal((await ask('path', '/public/@scope%2fname')).status, fine)
      assert.deepEqual(app.values('x-public'), ['1'])
      // Nothing there looks at the path.
      assert.equal((await ask('host', '/public/..%2fadmin')).status, fine)
    })

    it(`decide about the answer of the app, over ${way}`, async () => {
      assert.deepEqual(valuesOf(await ask('answer'), 'x-answer'), ['b'])
      assert.deepEqual(valuesOf(await ask('answer', '/no-cache'), 'cache-control'), ['no-store'])
      assert.deepEqual(valuesOf(await ask('answer', '/other'), 'cache-control'), [])
      const answer = await ask('badanswer')
      assert.equal(answer.status, 500)
      assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), ['ERR_EXPRESSION_FAILED'])
      assert.deepEqual(valuesOf(answer, 'x-kind'), [], 'nothing of the app’s answer has passed')
    })
  }

  it('name rule and expression in the log, once', () => {
    const entries = stack.log.map((line) => JSON.parse(line) as Record<string, unknown>) // the relay's own lines
    const lines = entries.filter(({ code }) => code === 'ERR_EXPRESSION_FAILED')
    assert.ok(lines.length >= WAYS.length)
    assert.match(
      String(lines[0]?.['detail']),
      /^on_http_request\[0\] "needs a role": req\.headers\['x-role'\]\[0\] == 'admin': there is no/,
    )
  })
})
