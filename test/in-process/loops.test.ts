// Hardening: requests that return to a relay that they have passed. Real relay, agents and sockets.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { freePort } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'
import { until } from '../support/until.ts'

const exchanges = (stack: Stack): string[] => stack.log.filter((line) => line.includes('"msg":"exchange"'))

describe('hardening: a tunnel that leads to its own relay', { timeout: 60_000 }, () => {
  for (const upstreamProtocol of ['http1', 'http2'] as const) {
    it(`is left after a few rounds, with an app that speaks ${upstreamProtocol}`, async () => {
      const port = await freePort()
      const stack = await startStack({
        app: createServer(),
        port,
        upstream: `http://127.0.0.1:${port}`,
        upstreamProtocol,
        listen: 'http2: all',
      })
      try {
        for (const way of WAYS.filter((each) => upstreamProtocol === 'http1' || each !== 'an upgrade')) {
          stack.log.length = 0
          assert.equal(await visit(way, port, { host: APP_HOST }), 508, way)
          await until('the relay logs five exchanges', () => exchanges(stack).length >= 5)
          assert.equal(exchanges(stack).length, 5, 'four times through the tunnel, and the refusal')
          assert.match(exchanges(stack)[0]!, /ERR_LOOP_DETECTED.*passed here 4 times/)
        }
      } finally {
        await stack.close()
      }
    })
  }
})

describe('hardening: CDN-Loop', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => (stack = await startStack({ app: app.server, listen: 'http2: all' })))
  after(() => stack.close())

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const send = (...values: string[]): Promise<number> => {
      app.heads.length = 0
      const headers = values.map((value) => ['cdn-loop', value] as const)
      return visit(way, stack.port, { host: APP_HOST, headers })
    }

    it(`is passed on with earlier entries and this relay at its end, over ${way}`, async () => {
      for (const sent of [
        [],
        ['cdn.example; v=1', 'other.relay.localhost:8080'],
        ['relay.localhost, relay.localhost'],
      ]) {
        assert.equal(await send(...sent), passes)
        assert.deepEqual(app.values('cdn-loop'), [...sent, 'relay.localhost'])
      }
      const alike = ['relay.localhost:80', 'xrelay.localhost', 'relay.localhost.x', 'x; relay.localhost']
      assert.equal(await send(alike.join(', '), alike.join(',')), passes, 'names that only resemble it do not count')
    })

    it(`ends a request that has passed four times, over ${way}`, async () => {
      for (const sent of [
        ['relay.localhost, relay.localhost,relay.localhost , relay.localhost'],
        ['relay.localhost', 'cdn.example, Relay.LOCALHOST;x=y', 'relay.localhost ; a', ',relay.localhost,'],
      ]) {
        assert.equal(await send(...sent), 508)
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
    })
  }

  it('from a visitor, it changes no answer that a cache could keep for others', async () => {
    const headers = { 'cdn-loop': Array.from({ length: 4 }, () => 'relay.localhost').join(), accept: 'text/html' }
    for (const accept of ['text/html', 'application/json']) {
      const answer = await ask(stack.port, { host: APP_HOST, headers: { ...headers, accept } })
      assert.equal(answer.status, 508)
      assert.equal(answer.headers['sallyport-error-code'], 'ERR_LOOP_DETECTED')
      assert.match(answer.headers['cache-control'] ?? '', /no-store/)
    }
  })
})
