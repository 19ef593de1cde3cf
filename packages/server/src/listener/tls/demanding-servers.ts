// TLS for connections to edges with demands of their own (`terminate-tls`): a server of node:tls for each set of demands, which
// listens nowhere. The door gives it connections; after the handshake they go where all others go.
//
// No session is ever resumed here. A ticket would carry the state "no certificate" as well, so that a visitor with a new
// certificate could not show it. And without tickets, nothing can be carried to another host, authority or version
// (decision 38).

import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { Server, TLSSocket } from 'node:tls'

import { plainAddress } from '../../exchange/visitor/client-ip.ts'
import type { ShownCertificate, TlsDemands } from '../../exchange/visitor/tls-demands.ts'
import type { Logger } from '../../log.ts'
import type { Certificates, Pair } from './certificates.ts'

// Each takes a millisecond to make and 100 KiB, more with many authorities.
const SERVERS_MAX = 256

export interface DemandingServersInit {
  certificates: Pick<Certificates, 'pairFor'>
  alpnProtocols: readonly string[]
  handshakeMs: number
  log: Logger
  /** The handshake is complete. */
  onSecure: (socket: TLSSocket) => void
  /** It has failed. */
  onFailure: (error: Error, socket: TLSSocket) => void
}

interface Kept {
  readonly pair: Pair
  readonly server: Server
}

export class DemandingServers {
  readonly #init: DemandingServersInit
  /** By demands and certificate; those used last are at the end. */
  readonly #kept = new Map<string, Kept>()

  constructor(init: DemandingServersInit) {
    this.#init = init
  }

  /** Takes over a connection whose next byte begins a ClientHello. @param name the host in that */
  accept(socket: Socket, name: string, demands: TlsDemands): void {
    this.#serverFor(this.#init.certificates.pairFor(name), demands).emit('connection', socket)
  }

  #serverFor(pair: Pair, demands: TlsDemands): Server {
    const key = `${demands.digest} ${pair.name}`
    const known = this.#kept.get(key)
    this.#kept.delete(key)
    const kept = known?.pair === pair ? known : { pair, server: this.#makeServer(pair, demands) }
    this.#kept.set(key, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > SERVERS_MAX && oldest !== undefined) this.#kept.delete(oldest)
    return kept.server
  }

  #makeServer({ cert, key }: Pair, { minVersion, maxVersion, certificate }: TlsDemands): Server {
    const { alpnProtocols, handshakeMs, onSecure, onFailure } = this.#init
    const server = createServer({
      cert,
      key,
      minVersion,
      maxVersion,
      ALPNProtocols: [...alpnProtocols],
      handshakeTimeout: handshakeMs,
      // A renegotiation could replace the certificate that was checked.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      ...(certificate && { requestCert: true }),
      ...(certificate && certificate.authorities.length > 0 && { ca: [...certificate.authorities] }),
      allowPartialTrustChain: true, // an authority that another one has signed is enough
      // node:tls would close the connection without a word; the visitor gets a page that names the missing certificate.
      rejectUnauthorized: false,
    })
    server.on('secureConnection', onSecure)
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      this.#tell(error, socket)
      onFailure(error, socket)
    })
    return server
  }

  #tell({ code, message }: NodeJS.ErrnoException, socket: TLSSocket): void {
    const clientIp = plainAddress(socket.remoteAddress ?? '')
    this.#init.log.debug({ clientIp, reason: code ?? message }, 'TLS handshake refused by what an edge demands')
  }
}

/** @returns undefined without a certificate */
export function shownCertificate(socket: TLSSocket): ShownCertificate | undefined {
  const shown = socket.getPeerX509Certificate()
  if (!shown) return undefined // whatever node:tls calls authorized
  const { authorized, authorizationError } = socket
  const problem = authorized ? undefined : String(authorizationError)
  return { problem, validTo: shown.validToDate.getTime() }
}
