// The effects of add-headers, set-headers and remove-headers, in their written order: at the app and at
// the visitor, in each of the ways that a visitor can come. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { parseConfig } from '@sallyport/server'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const add = (headers: object): object => ({ type: 'add-headers', config: { headers } })
const set = (headers: object): object => ({ type: 'set-headers', config: { headers } })
const remove = (...headers: string[]): object => ({ type: 'remove-headers', config: { headers } })
const edge = (name: string, onRequest: object[], onResponse: object[], backend: object = {}): string =>
  JSON.stringify({
    id: `edg_${name}`,
    hosts: [`${name}.localhost`],
    backend: { labels: { edge: 'edg_app' }, ...backend },
    policy: {
      ...(onRequest.length > 0 && { on_http_request: [{ actions: onRequest }] }),
      ...(onResponse.length > 0 && { on_http_response: [{ actions: onResponse }] }),
    },
  })
const EDGES = [
  edge('added', [add({ 'X-Role': 'one' }), add({ 'x-role': 'two' })], [add({ Vary: 'B' }), add({ 'Set-Cookie': 'b=2' })]), // prettier-ignore
  edge('replaced', [remove('X-Role'), add({ 'X-Role': 'ours' })], [remove('vary'), add({ Vary: 'B' })]),
  edge('set', [add({ 'X-Role': 'lost' }), set({ 'x-role': 'ours' })], [set({ Vary: 'B' })]),
  edge('gone', [add({ 'X-Role': 'lost' }), remove('x-role')], [add({ Vary: 'lost' }), remove('VARY')]),
  edge('down', [], [add({ Vary: 'B' })], { labels: { edge: 'edg_none' } }),
  edge('refused', [{ type: 'deny', config: {} }], [add({ Vary: 'B' })]),
  edge('host', [add({ Host: 'first.internal' }), add({ host: 'app.internal:8080' })], []),
]

describe('actions on headers (traffic policy, 14.3)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    app.answerLines = ['Vary: A', 'Set-Cookie: a=1', 'vary: C']
    stack = await startStack({
      app: app.server,
      edges: EDGES.map((each) => `- ${each}`).join('\n'),
      listen: 'http2: all',
    })
  })
  after(() => stack.close())

  const OUTCOMES = {
    added: { role: ['admin', 'one', 'two'], vary: ['A', 'C', 'B'], cookies: ['a=1', 'b=2'] },
    replaced: { role: ['ours'], vary: ['B'], cookies: ['a=1'] },
    set: { role: ['ours'], vary: ['B'], cookies: ['a=1'] },
    gone: { role: [], vary: [], cookies: ['a=1'] },
  }
  for (const way of WAYS) {
    it(`append, replace and remove, over ${way}`, async () => {
      for (const [name, { role, vary, cookies }] of Object.entries(OUTCOMES)) {
        const answer = await wholeAnswer(way, stack.port, { host: `${name}.localhost`, headers: [['X-Role', 'admin']] })
        assert.equal(answer.status, way === 'an upgrade' ? 101 : 200, name)
        assert.deepEqual(app.values('x-role'), role, name)
        assert.deepEqual(valuesOf(answer, 'vary'), vary, name)
        assert.deepEqual(valuesOf(answer, 'set-cookie'), cookies, name)
      }
    })

    it(`give the app another Host, one, over ${way}`, async () => {
      await wholeAnswer(way, stack.port, { host: 'host.localhost' })
      assert.deepEqual(app.values('host'), ['app.internal:8080'])
      assert.match(app.values('x-forwarded-host').join(), /^host\.localhost/)
    })

    it(`leave the relay’s own answers alone, over ${way}`, async () => {
      for (const [name, status] of [
        ['down', 503],
        ['refused', 403],
      ] as const) {
        const answer = await wholeAnswer(way, stack.port, { host: `${name}.localhost` })
        assert.equal(answer.status, status)
        assert.deepEqual(
          valuesOf(answer, 'vary').filter((value) => value === 'B'),
          [],
        )
      }
    })
  }

  it('are refused for headers that a policy may not touch, with a sentence', () => {
    const problem = (action: object, phase = 'on_http_request'): string => {
      const edges = [{ id: 'edg_x', hosts: ['x.localhost'], policy: { [phase]: [{ actions: [action] }] } }]
      const config = { domain: 'localhost', public_url: 'http://relay.localhost', listen: { http: 0 }, store: 'sqlite:/tmp/x', edges } // prettier-ignore
      try {
        parseConfig(JSON.stringify(config), { source: 'test', env: {} })
        return ''
      } catch (error) {
        return String(error)
      }
    }
    for (const name of ['Connection', 'content-length', 'Sallyport-Auth-User-Id', 'x_forwarded.for', 'CDN-Loop']) {
      for (const write of [add, set]) assert.match(problem(write({ [name]: 'x' })), /only the relay sets it/, name)
      assert.match(problem(remove(name)), /only the relay sets it/, name)
    }
    assert.match(problem(remove('host')), /Host names the edge/)
    assert.match(
      problem(add({ Host: 'x' }), 'on_http_response'),
      /is a header of requests; put it under on_http_request/,
    )
    assert.match(problem(set({ Host: 'a b' })), /is not a Host; write a value such as app\.internal:8080/)
    assert.match(
      problem(add({ 'set-cookie': '=sallyport.x.session=1' }), 'on_http_response'),
      /sets a cookie of the relay/,
    )
    assert.equal(problem(set({ Host: 'app.internal' })), '')
  })
})
