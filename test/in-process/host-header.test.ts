// Hardening: the app gets the host of the edge's origin, never the visitor's text. Apps make links from it, and send
// some of them by mail. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { freePort } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

const EDGES = `
- { id: edg_app, hosts: [app.localhost, "*.many.localhost"] }
- { id: edg_own, hosts: [own.localhost], origin: "https://own.localhost:8443", backend: { labels: { edge: edg_app } } }
`

describe('hardening: Host and X-Forwarded-Host', { timeout: 60_000 }, () => {
  let stack: Stack
  let port: number
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES, listen: 'http2: all' })
    port = stack.port
  })
  after(() => stack.close())

  for (const way of WAYS) {
    it(`carry no port of the visitor's own, over ${way}`, async () => {
      for (const [sent, told] of [
        ['app.localhost', 'app.localhost'],
        ['app.localhost:6666', 'app.localhost'],
        ['APP.localhost.:1', 'app.localhost'],
        ['a.many.localhost:6666', 'a.many.localhost'],
        ['own.localhost', 'own.localhost:8443'],
        ['own.localhost:6666', 'own.localhost:8443'],
      ] as const) {
        assert.equal(await visit(way, port, { host: sent }), way === 'an upgrade' ? 101 : 200)
        assert.deepEqual([app.values('host'), app.values('x-forwarded-host')], [[told], [told]], sent)
      }
    })
  }
})

describe('hardening: Host, if public_url has a port', { timeout: 60_000 }, () => {
  it('carries that port', async () => {
    const app = new RecordingApp()
    const port = await freePort()
    const stack = await startStack({ app: app.server, port })
    try {
      await visit('HTTP/1.1', stack.port, { host: `app.localhost:${port}` })
      assert.deepEqual(app.values('host'), [`app.localhost:${port}`])
      await visit('HTTP/1.1', stack.port, { host: 'app.localhost' })
      assert.deepEqual(app.values('host'), [`app.localhost:${port}`])
    } finally {
      await stack.close()
    }
  })
})
