import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { it } from 'node:test'

import { portHolder } from './port-holder.ts'

const isLinux = process.platform === 'linux'

it(
  'first-hour 11: names the program that listens at an address',
  { skip: !isLinux && 'only Linux tells' },
  async () => {
    for (const host of ['127.0.0.1', '0.0.0.0', '::']) {
      const server = createServer().listen(0, host)
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo // it listens on TCP
      assert.equal(portHolder({ host: '127.0.0.1', port }), `node (process ${process.pid})`, host)
      assert.equal(portHolder({ port }), `node (process ${process.pid})`, host)
      // A listener at another address does not count.
      if (host === '127.0.0.1') assert.equal(portHolder({ host: '127.0.0.2', port }), undefined)
      server.close()
      await once(server, 'close')
      assert.equal(portHolder({ host: '127.0.0.1', port }), undefined)
    }
  },
)
