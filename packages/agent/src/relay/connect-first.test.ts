import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, Socket } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { connectFirst } from './connect-first.ts'

const ROUND_TRIP_MS = 330

describe('connectFirst', () => {
  let server: Server
  let port: number
  let dialled: string[] = []

  before(async () => {
    server = createServer((socket) => socket.on('error', () => {}))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port // it listens on a port
  })
  after(() => server.close())

  /** A network of names: `slow-…` answers after a third of a second, `dead-…` never, `refused-…` says so. */
  function dial({ address }: { address: string }): Socket {
    dialled.push(address)
    if (address.startsWith('refused')) return connect({ host: '127.0.0.1', port: 1 })
    const socket = new Socket()
    if (address.startsWith('slow')) {
      setTimeout(() => !socket.destroyed && socket.connect(port, '127.0.0.1'), ROUND_TRIP_MS)
    }
    if (address.startsWith('near')) socket.connect(port, '127.0.0.1')
    return socket
  }

  function race(names: readonly string[], signal = AbortSignal.timeout(10_000)): Promise<Socket> {
    dialled = []
    const addresses = names.map((address) => ({ address, family: address.endsWith('6') ? 6 : 4 }))
    return new Promise((resolve, reject) => {
      const lookup = (_host: string, _options: object, found: (error: null, all: typeof addresses) => void): void =>
        found(null, addresses)
      connectFirst({ host: 'relay.example.com', port, lookup, signal, dial }, (error, socket) =>
        socket ? resolve(socket) : reject(error ?? assert.fail()),
      )
    })
  }

  for (const names of [
    ['near'],
    ['slow-1', 'dead-2'],
    ['slow-1', 'dead-2', 'dead-3', 'dead-4'],
    ['dead-1', 'slow-2', 'dead-3'],
    ['dead-1', 'dead-2', 'dead-3', 'dead-4', 'near-5'],
    ['refused-1', 'dead-2', 'refused-3', 'slow-4'],
  ]) {
    it(`B10: finds the address that answers among ${names.join(', ')}`, async () => {
      const socket = await race(names)
      assert.equal(socket.readyState, 'open')
      socket.destroy()
    })
  }

  it('tries no further address if the first answers soon, and the next at once if one refuses', async () => {
    const soon = await race(['near-1', 'dead-2'])
    soon.destroy()
    assert.deepEqual(dialled, ['near-1'])
    const start = performance.now()
    const refused = await race(['refused-1', 'near-2'])
    refused.destroy()
    assert.ok(performance.now() - start < 240, 'it does not wait for the next turn')
  })

  it('alternates between the two families', async () => {
    await assert.rejects(race(['refused-1-v6', 'refused-2-v6', 'refused-3-v4', 'refused-4-v4']), {
      code: 'ECONNREFUSED',
    })
    assert.deepEqual(dialled, ['refused-1-v6', 'refused-3-v4', 'refused-2-v6', 'refused-4-v4'])
  })

  it('gives up every attempt when it is told to', async () => {
    const stop = new AbortController()
    const racing = race(['dead-1', 'dead-2'], stop.signal)
    stop.abort()
    await assert.rejects(racing, /given up/)
  })
})
