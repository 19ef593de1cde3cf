// Puts somebody between a server and those who listen for its connections: node:tls, node:http, whoever came before.

import type { Server as NetServer, Socket } from 'node:net'

/**
 * @param event `connection`, or `secureConnection` for those whose handshake is over
 * @param handle gets each of them in place of those who listen for it at the moment, and what hands it on to them
 */
export function takeOver(
  server: NetServer,
  event: 'connection' | 'secureConnection',
  handle: (socket: Socket, handOn: (socket: Socket) => void) => void,
): void {
  const behind = server.listeners(event) as ((socket: Socket) => void)[] // what both events give
  const handOn = (socket: Socket): void => {
    for (const listener of behind) listener.call(server, socket)
  }
  server.removeAllListeners(event)
  server.on(event, (socket: Socket) => handle(socket, handOn))
}
