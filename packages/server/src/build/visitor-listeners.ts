// The entrance for visitors and agents: one listener or two.

import type { AddressInfo } from 'node:net'

import type { Config } from '../config/config.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import type { EdgeTable } from '../edge/edge-table.ts'
import type { Serve } from '../edge/serve.ts'
import type { OnFault } from '../exchange/border.ts'
import { compileCidrs } from '../exchange/visitor/client-ip.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import type { AgentListener } from '../listener/agent-listener.ts'
import { listen } from '../listener/listen.ts'
import type { Places } from '../listener/places.ts'
import type { Certificates } from '../listener/tls/certificates.ts'
import { VisitorListener } from '../listener/visitor-listener.ts'
import type { Logger } from '../log.ts'
import type { Look } from '../pages/look.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'

export interface VisitorListenersInit {
  readonly config: Config
  readonly edges: EdgeTable
  readonly serve: Serve
  handle(exchange: Exchange): Promise<void>
  readonly agents: AgentListener
  readonly book: EdgeBook
  readonly places: Places
  readonly refusals: LimitRefusals
  /** Undefined if the relay speaks no TLS. */
  readonly certificates: Certificates | undefined
  /** Whether several processes share the ports. */
  readonly reusePort: boolean
  readonly look: Look
  readonly log: Logger
  readonly onFault: OnFault
}

export interface OpenVisitors {
  readonly listeners: readonly VisitorListener[]
  readonly addresses: { http?: AddressInfo; https?: AddressInfo }
}

/** @throws ConfigError if an address cannot be used */
export async function listenForVisitors(
  rooms: AsyncDisposableStack,
  init: VisitorListenersInit,
): Promise<OpenVisitors> {
  const { config, book, edges, serve, agents, certificates } = init
  const { listen: addresses, limits, timeouts, trusted_proxies } = config
  const common = {
    limits,
    places: init.places,
    refusals: init.refusals,
    timeouts,
    log: init.log,
    reusePort: init.reusePort,
    allowedUpgrades: { has: (protocol: string) => book.allowsUpgrade(protocol) },
    isTrustedProxy: trusted_proxies.length > 0 ? compileCidrs(trusted_proxies) : () => false,
    tlsDemands: {
      get isAny() {
        return book.hasTlsDemands
      },
      of: (host: string) => edges.find(host)?.tls,
    },
    // Agents may use any name of this machine that the configuration gives to no edge, such as its internal address;
    // and no agent can take such a name from the others by an endpoint.
    // An internal endpoint is not a name of this machine, and the answer must not show whether one is configured.
    isAgentHost: (host: string) => isInternalHost(host) || !book.isConfigured(host),
    look: init.look,
    onAgent: agents.accept.bind(agents),
    onFault: init.onFault,
  }
  const onExchange = (exchange: Exchange): Promise<void> => serve(exchange, (each) => init.handle(each))
  const listeners: VisitorListener[] = []
  const found: OpenVisitors['addresses'] = {}
  const keepListener = (listener: VisitorListener): void => {
    rooms.defer(() => listener.destroy())
    listeners.push(listener)
  }
  if (addresses.https && certificates) {
    const https = new VisitorListener({
      ...common,
      address: addresses.https,
      certificates,
      http2: addresses.http2 !== 'none',
      onExchange,
    })
    keepListener(https)
    found.https = await listen(https, 'listen.https', addresses.https)
  }
  if (addresses.http) {
    // With TLS on, plain HTTP only redirects, and agents may not send their authtoken over it.
    const port = found.https && found.https.port !== 443 ? `:${found.https.port}` : ''
    const redirect = async (exchange: Exchange): Promise<void> => redirectToHttps(exchange, port, config, edges)
    const http = new VisitorListener({
      ...common,
      ...(found.https && { isAgentHost: () => false }),
      address: addresses.http,
      http2: addresses.http2 === 'all',
      onExchange: found.https ? (exchange) => serve(exchange, redirect) : onExchange,
    })
    keepListener(http)
    found.http = await listen(http, 'listen.http', addresses.http)
  }
  return { listeners, addresses: found }
}

/** @throws RelayError if no edge has the host */
function redirectToHttps(exchange: Exchange, port: string, { public_url }: Config, edges: EdgeTable): void {
  const { host, target } = exchange
  if (host !== public_url.hostname) edges.at(host)
  exchange.respond(308, { location: `https://${host}${port}${target}`, 'cache-control': 'no-store' })
}
