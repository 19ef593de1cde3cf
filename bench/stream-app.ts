// The app behind bulk: /down never ends, /upload counts bytes and says how many, /small is 13 bytes long. In a separate
// process, so that it can use another core. It prints {"port": …}.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const BLOCK = Buffer.alloc(64 * 1024, 'x')

const server = createServer((request, response) => {
  if (request.url?.startsWith('/upload')) {
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => response.end(`${bytes}\n`))
  } else if (request.url === '/down') {
    const fill = (): void => {
      while (!response.destroyed && response.write(BLOCK));
    }
    response.on('drain', fill)
    fill()
  } else response.end('Hello, world\n')
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo // it listens on a port
  console.log(JSON.stringify({ port }))
})
process.once('SIGTERM', () => process.exit(0))
