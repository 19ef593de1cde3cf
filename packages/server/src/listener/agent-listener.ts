// The entrance for agents: a WebSocket upgrade at `<public_url>/.sallyport/agent` with an authtoken. No agent gets a
// session without an authtoken. If no authtoken exists yet, the refusal says how to make one.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

import { ProtocolError, SUBPROTOCOL, WebSocketCarrier } from '@sallyport/protocol'
import { STATUS_CODES } from '@sallyport/protocol/node-http'
import type { Logger } from 'pino'
import { WebSocketServer } from 'ws'

import type { LimitName, Limits } from '../config/config.ts'
import { Attempts } from '../exchange/attempts.ts'
import type { LimitRefusals } from '../exchange/limit-refusals.ts'
import { AgentProcesses } from '../tunnel/agent-processes.ts'
import type { Authtoken, Authtokens } from '../tunnel/authtokens.ts'
import { logHealth } from '../tunnel/log-health.ts'
import { TunnelSession } from '../tunnel/session.ts'
import type { SessionParts } from '../tunnel/session.ts'

const MESSAGE_MAX_BYTES = 1024 * 1024
const RETRY_AFTER_SECONDS = '30'

export interface AgentListenerInit {
  authtokens: Authtokens
  /** Counts refused authtokens. */
  failures: Attempts
  limits: Limits
  refusals: LimitRefusals
  log: Logger
  sessionParts: Omit<SessionParts, 'processes' | 'onHealth'>
}

interface Refusal {
  status: number
  code: string
  detail: string
  /** The limit because of which an agent was refused. */
  limit?: LimitName
  headers?: Record<string, string>
}

export class AgentListener {
  readonly #init: AgentListenerInit
  readonly #parts: SessionParts
  readonly #webSockets: WebSocketServer
  readonly #failures: Attempts
  /** Addresses that have been told to wait within the last minute, for the log. */
  readonly #waiting = new Attempts(1)
  readonly #sessions = new Set<TunnelSession>()
  readonly #stopRevocations: () => void
  #isDraining = false

  constructor(init: AgentListenerInit) {
    this.#init = init
    this.#parts = {
      ...init.sessionParts,
      processes: new AgentProcesses(),
      onHealth: (tunnel, change) => logHealth(init.log, tunnel, change),
    }
    this.#failures = init.failures
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: MESSAGE_MAX_BYTES,
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL, // accept() has checked that it is offered
    })
    // `agent diagnose` uses it to compare the clocks. RFC 9110 6.6.1 does not require it for 1xx.
    this.#webSockets.on('headers', (headers) => headers.push(`Date: ${new Date().toUTCString()}`))
    this.#stopRevocations = init.authtokens.onRevoked((authtokenId) => this.#endRevoked(authtokenId))
  }

  get sessions(): ReadonlySet<TunnelSession> {
    return this.#sessions
  }

  /**
   * Takes over an upgrade on the agents' path.
   * @param address the agent's address, for limits and logs
   * @param isFull whether there is no place for its connection
   * @returns whether it was let in
   */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, address: string, isFull: boolean): boolean {
    const checked = this.#check(request, address, isFull)
    if ('detail' in checked) {
      const { limit, code } = checked
      if (limit) this.#init.refusals.count(limit, address)
      // Without this, an agent that tries constantly would fill the log.
      const isNews = limit === undefined || this.#waiting.take(address, Date.now())
      if (isNews) this.#init.log.warn({ address, code }, 'agent refused')
      refuse(socket, checked)
      return false
    }
    let hasJoined = false
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const session = new TunnelSession(
        { carrier: new WebSocketCarrier(webSocket), authtoken: checked, address },
        this.#parts,
      )
      this.#sessions.add(session)
      void session.closed.then(() => this.#sessions.delete(session))
      hasJoined = true
    })
    return hasJoined // ws has called back, or refused an invalid upgrade
  }

  /** Refuses new agents and asks the connected ones to connect elsewhere. */
  drain(deadlineMs: number): void {
    this.#isDraining = true
    for (const session of this.#sessions) session.drain(deadlineMs)
  }

  /** Closes every session in order. */
  async close(deadlineMs: number): Promise<void> {
    this.#isDraining = true
    this.#stopRevocations()
    await Promise.all([...this.#sessions].map((session) => session.close(deadlineMs)))
    this.#webSockets.close()
  }

  destroy(): void {
    for (const session of this.#sessions) session.end(new ProtocolError('draining', 'the relay stops'))
  }

  #check(request: IncomingMessage, address: string, isFull: boolean): Authtoken | Refusal {
    const now = Date.now()
    const { limits, authtokens } = this.#init
    if (this.#isDraining) {
      return {
        status: 503,
        code: 'draining',
        detail: 'The relay is stopping. Try again in a moment.',
        headers: { 'Retry-After': '1' },
      }
    }
    const offered = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? []
    if (!offered.includes(SUBPROTOCOL)) {
      return {
        status: 400,
        code: 'version_unsupported',
        detail: `This relay speaks ${SUBPROTOCOL}. Update the agent or the relay, whichever is older.`,
      }
    }
    // This comes first, because a good agent must not suffer from a bad one at the same address, and the look-up is
    // cheap.
    const verdict = authtokens.verify(bearerOf(request.headers.authorization), now)
    if (!verdict.ok) {
      if (!this.#failures.take(address, now)) {
        return {
          status: 429,
          code: 'limit_reached',
          detail: 'Too many refused authtokens from this address. Wait a minute.',
          limit: 'failed_agent_logins_per_minute',
          headers: { 'Retry-After': RETRY_AFTER_SECONDS },
        }
      }
      return {
        status: 401,
        code: 'authtoken_refused',
        detail:
          authtokens.size === 0
            ? 'This relay has no authtokens yet. Make one on the relay’s machine: relay authtoken create'
            : 'The authtoken is missing, unknown or revoked. Make a new one on the relay’s machine: relay authtoken create',
      }
    }
    const isAtLimit = this.#sessions.size >= limits.agent_sessions
    if (isAtLimit || isFull) {
      return {
        status: 503,
        code: 'limit_reached',
        detail: 'This relay has reached its limit of agents.',
        limit: isAtLimit ? 'agent_sessions' : 'open_files',
        headers: { 'Retry-After': RETRY_AFTER_SECONDS },
      }
    }
    return verdict.authtoken
  }

  /** Revoking an authtoken ends its sessions at once. */
  #endRevoked(authtokenId: string): void {
    for (const session of this.#sessions) {
      if (session.authtokenId === authtokenId) {
        session.end(new ProtocolError('authtoken_refused', 'this authtoken has been revoked'))
      }
    }
  }
}

/** RFC 6750 2.1; anything else counts as no token. */
function bearerOf(authorization: string | undefined): string {
  return /^bearer +([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1] ?? ''
}

function refuse(socket: Duplex, { status, code, detail, headers }: Refusal): void {
  const body = `${JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, code, detail })}\n`
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Sallyport-Error-Code: ERR_${code.toUpperCase()}`,
    ...Object.entries({ ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }), ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    ),
  ]
  socket.on('error', () => {}) // the agent does not wait for its answer
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
