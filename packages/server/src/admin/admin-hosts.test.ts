import assert from 'node:assert/strict'
import { request } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { createLog } from '../log.ts'
import { AdminListener } from './admin-listener.ts'

describe('names of the admin listener', () => {
  const admin = new AdminListener({
    address: { host: '127.0.0.1', port: 0 },
    hosts: ['relay.internal'],
    metrics: { contentType: 'text/plain', text: async () => 'secret_metric 1\n' },
    notReady: () => undefined,
    log: createLog({ level: 'silent' }),
  })
  let port: number
  before(async () => ({ port } = await admin.listen()))
  after(() => admin.close())

  const ask = async (path: string, host: string): Promise<[number | undefined, string]> => {
    const sent = request({ port, host: '127.0.0.1', path, headers: { host }, agent: false }).end()
    return new Promise((resolve, reject) => {
      sent.on('error', reject)
      sent.on('response', (response) => {
        void text(response).then((body) => resolve([response.statusCode, body]), reject)
      })
    })
  }

  const known = ['127.0.0.1', '127.0.0.1:4041', '[::1]:4041', '192.0.2.1:4041', 'localhost', 'LocalHost:4041']
  for (const host of [...known, 'relay.localhost', 'relay.internal', 'Relay.Internal:4041']) {
    it(`answers at ${host}`, async () => {
      assert.deepEqual(await ask('/readyz', host), [200, 'ready\n'])
      assert.deepEqual(await ask('/metrics', host), [200, 'secret_metric 1\n'])
    })
  }

  for (const host of ['rebound.example.com', 'rebound.example.com:4041', 'localhost.example.com', 'a.relay.internal']) {
    it(`audit, hardening: tells nothing to a page whose name resolves to it: ${host}`, async () => {
      for (const path of ['/metrics', '/readyz']) {
        const [status, body] = await ask(path, host)
        assert.equal(status, 421)
        assert.match(body, /listen\.admin_hosts/)
      }
      assert.deepEqual(await ask('/healthz', host), [200, 'ok\n'])
    })
  }

  it('answers a probe of HTTP/1.0, which names no host', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write('GET /readyz HTTP/1.0\r\n\r\n')
    assert.match(await text(socket), /^HTTP\/1\.1 200 [^]*ready/)
  })
})
