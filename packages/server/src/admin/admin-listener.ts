// The operator's listener, on loopback by default: health for service managers and load balancers, and metrics.

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { AddressInfo } from 'node:net'

import { createServer } from '@sallyport/protocol/node-http'

import type { ListenAddress } from '../config/config.ts'
import type { Logger } from '../log.ts'

// In addition to the places of visitors and agents: few requests come here.
const CONNECTIONS_MAX = 64

export interface AdminListenerInit {
  address: ListenAddress
  /** Names that are accepted in `Host`, beside `localhost` and addresses. */
  hosts: readonly string[]
  metrics: { readonly contentType: string; text(): Promise<string> }
  /** Why the relay should get no visitors now, or undefined if it should. */
  notReady: () => string | undefined
  log: Logger
}

export class AdminListener {
  readonly #init: AdminListenerInit
  readonly #hosts: ReadonlySet<string>
  readonly #server: Server

  constructor(init: AdminListenerInit) {
    this.#init = init
    const { host = '' } = init.address
    this.#hosts = new Set(['localhost', host.toLowerCase(), ...init.hosts])
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  /** @throws the system's error, e.g. EADDRINUSE */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#init.address
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ port, ...(host !== undefined && { host }) }, () => {
        this.#server.off('error', reject)
        // The system could not pass on a connection, because there were no descriptors left. That is no reason to
        // crash.
        this.#server.on('error', (error) => this.#init.log.error({ err: error }, 'admin listener failed'))
        resolve()
      })
    })
    return this.#server.address() as AddressInfo // it listens on a port, not on a path
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /**
   * A page in a browser can point its own name at this machine (DNS rebinding) and then read these answers. But it
   * cannot choose the browser's Host, which is its own name. An address, or no Host at all, cannot be a page's name.
   */
  #isKnownHost(written: string | undefined): boolean {
    if (written === undefined) return true // HTTP/1.0: no browser
    const host = written.toLowerCase().replace(/:\d{1,5}$/, '')
    return isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0 || host.endsWith('.localhost') || this.#hosts.has(host)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#serve(request, response)
    } catch (error) {
      this.#init.log.error({ err: error }, 'admin request failed')
      if (response.headersSent) response.destroy()
      else send(response, 500, 'text/plain', 'The reason is in the log of the relay.\n')
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ''] = request.url?.split('?', 1) ?? []
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n')
    if (path === '/healthz') return send(response, 200, 'text/plain', 'ok\n') // everybody may know that much
    if (!this.#isKnownHost(request.headers.host)) {
      const advice =
        'The admin listener does not know this host name. Add it to listen.admin_hosts, or use an address.\n'
      return send(response, 421, 'text/plain', advice)
    }
    switch (path) {
      case '/readyz': {
        const reason = this.#init.notReady()
        return send(response, reason ? 503 : 200, 'text/plain', `${reason ?? 'ready'}\n`)
      }
      case '/metrics':
        return send(response, 200, this.#init.metrics.contentType, await this.#init.metrics.text())
      default:
        return send(response, 404, 'text/plain', 'Here are /healthz, /readyz and /metrics.\n')
    }
  }
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
