// Intercepts the new connections of a server before its present listeners (node:tls, node:http, ours) see them.

import type { Server as NetServer, Socket } from 'node:net'

/**
 * @param event `connection`, or `secureConnection` for connections after their handshake
 * @param handle gets each connection instead of the present listeners, and a function that passes it on to them
 */
export function takeOver(
  server: NetServer,
  event: 'connection' | 'secureConnection',
  handle: (socket: Socket, handOn: (socket: Socket) => void) => void,
): void {
  const behind = server.listeners(event) as ((socket: Socket) => void)[] // both events pass one
  const handOn = (socket: Socket): void => {
    for (const listener of behind) listener.call(server, socket)
  }
  server.removeAllListeners(event)
  server.on(event, (socket: Socket) => handle(socket, handOn))
}
