import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { createLog } from '../log.ts'
import { AdminListener } from './admin-listener.ts'

describe('AdminListener', () => {
  let admin: AdminListener
  let origin: string
  let measure: () => Promise<string>
  const lines: string[] = []

  beforeEach(async () => {
    lines.length = 0
    measure = async () => 'sallyport_tunnels 1\n'
    admin = new AdminListener({
      address: { host: '127.0.0.1', port: 0 },
      hosts: [],
      metrics: { contentType: 'text/plain', text: () => measure() },
      notReady: () => 'starting',
      log: createLog({ level: 'debug', format: 'json' }, { write: (line) => void lines.push(line) }),
    })
    origin = `http://127.0.0.1:${(await admin.listen()).port}`
  })
  afterEach(() => admin.close())

  const statusOf = async (path: string): Promise<number> => (await fetch(`${origin}${path}`)).status

  it('serves health, readiness and metrics, and nothing else', async () => {
    assert.equal(await statusOf('/healthz'), 200)
    assert.equal(await statusOf('/readyz'), 503)
    assert.equal(await (await fetch(`${origin}/metrics`)).text(), 'sallyport_tunnels 1\n')
    assert.equal(await statusOf('/'), 404)
  })

  it('S2: answers 500 if a value cannot be measured, and continues', async () => {
    measure = async () => {
      throw new Error('no figures')
    }
    assert.equal(await statusOf('/metrics'), 500)
    assert.equal(await statusOf('/healthz'), 200)
    const [line = '', ...more] = lines
    assert.match(line, /admin request failed/)
    assert.match(line, /no figures.*admin-listener\.test\.ts/, 'with its stack')
    assert.deepEqual(more, [])
  })

  it('S2: continues if the system cannot hand it a connection', async () => {
    let server: Server | undefined
    const onRequest = (message: unknown): void => void (server = (message as { server: Server }).server)
    diagnostics.subscribe('http.server.request.start', onRequest)
    await statusOf('/healthz')
    diagnostics.unsubscribe('http.server.request.start', onRequest)
    server?.emit('error', new Error('accept EMFILE'))
    assert.equal(await statusOf('/healthz'), 200)
    assert.match(lines.join(''), /accept EMFILE.*admin listener failed/)
  })
})
