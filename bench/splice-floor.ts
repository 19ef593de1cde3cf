// The floor under a tunnel of our shape: bytes moved from visitor to app without parsing. Prints {"port": …}.
//   splice-floor.ts plain PORT      a TCP copy in one process
//   splice-floor.ts front           takes visitors, and a back at the "backPort" that it prints as well
//   splice-floor.ts back BACK PORT  dials both; every connection of a visitor is one stream between the two

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

import { WebSocketCarrier, YamuxSession, splice } from '@sallyport/protocol'
import { tuneForLoading, tuneForWork } from '@sallyport/protocol/tune-v8'
import { WebSocket, WebSocketServer } from 'ws'

// As both commands do.
tuneForLoading()
tuneForWork()

const [role, ...ports] = process.argv.slice(2)
const [first = 0, second = 0] = ports.map(Number)
if (role === 'plain') announce(await visitors(() => dial(first)))
else if (role === 'front') await front()
else if (role === 'back') await back(first, second)
else throw new Error('usage: splice-floor.ts plain PORT | front | back BACK PORT')
process.once('SIGTERM', () => process.exit(0))

async function front(): Promise<void> {
  let session: YamuxSession | undefined
  const backs = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(backs, 'listening')
  backs.on('connection', (socket) => {
    session = new YamuxSession(new WebSocketCarrier(socket), { role: 'server' })
  })
  announce(await visitors(() => session?.openStream()), (backs.address() as AddressInfo).port) // it listens on a port
}

async function back(backPort: number, appPort: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${backPort}`, { perMessageDeflate: false })
  await once(socket, 'open')
  const session = new YamuxSession(new WebSocketCarrier(socket, 'client'), {
    role: 'client',
    onStream: (stream) => void splice(stream, dial(appPort)),
  })
  console.log(JSON.stringify({ port: backPort }))
  await session.closed
}

async function visitors(open: () => Duplex | undefined): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const far = open()
    if (far) void splice(socket, far)
    else socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function dial(port: number): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
}

function announce(server: Server, backPort?: number): void {
  const { port } = server.address() as AddressInfo // it listens on a port
  console.log(JSON.stringify({ port, backPort }))
}
