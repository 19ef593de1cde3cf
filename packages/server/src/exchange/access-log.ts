// Writes one line per exchange, when the exchange has ended. The line has only the path, never the query, because
// queries carry secrets. Every request has a line, so it does not go through pino: pino's redaction alone takes half as
// long as all other work of the relay for a request. The line has exactly the bytes that pino would write. It needs no
// redaction, because its fields are named here, and each is one text or number.

import { outputOf } from '../log.ts'
import type { LineOutput, Logger } from '../log.ts'
import type { Exchange } from './exchange.ts'
import { inJson, JsonField } from './json-field.ts'

const PATH_MAX_CHARS = 2048 // a head may have 32 KiB, and people read these lines
const CLOCK_MS = 1000 // the lines follow a change of the clock within this time
/** Milliseconds below 100, made once, because formatting a fraction takes a third of the time of a line. */
const TENTHS = Array.from({ length: 1000 }, (_, tenths) => String(tenths / 10))

export class AccessLog {
  readonly #log: Logger
  readonly #agentOf: (tunnelId: string) => string | undefined
  /** Undefined if lines are not JSON. */
  readonly #output: LineOutput | undefined
  /** Fields that every line of the log has, such as the number of a worker. */
  readonly #bindings: string
  readonly #method = new JsonField('method')
  readonly #host = new JsonField('host')
  readonly #clientIp = new JsonField('clientIp')
  readonly #edgeId = new JsonField('edgeId')
  readonly #internalEdgeId = new JsonField('internalEdgeId')
  readonly #tunnelId = new JsonField('tunnelId')
  readonly #user = new JsonField('user')
  readonly #code = new JsonField('code')
  /** The system's clock minus the monotonic one, in milliseconds. */
  #clockOffset = 0
  #clockUntil = -Infinity
  #now = 0
  #start = ''

  /** @param agentOf the name of a tunnel's agent, for people */
  constructor(log: Logger, agentOf: (tunnelId: string) => string | undefined = () => undefined) {
    this.#log = log
    this.#agentOf = agentOf
    this.#output = outputOf(log)
    const bindings = JSON.stringify(log.bindings()).slice(1, -1)
    this.#bindings = bindings && `,${bindings}`
  }

  /** @param now monotonic milliseconds */
  write(exchange: Exchange, now: number): void {
    const { error, tunnelId } = exchange
    const tenths = Math.round((now - exchange.startedAt) * 10)
    const detail = error?.detail ?? exchange.cutReason?.message
    // The stack of a reason is needed only if the relay itself is at fault.
    const isFault = error?.code === 'internal'
    if (isFault || !this.#output) {
      const fields = {
        requestId: exchange.requestId,
        method: exchange.method,
        host: exchange.host,
        path: cut(exchange.visitorPath),
        status: exchange.status,
        ms: tenths / 10,
        clientIp: exchange.clientIp,
        edgeId: exchange.edgeId || undefined,
        internalEdgeId: exchange.internalEdgeId,
        tunnelId,
        agent: this.#output || tunnelId === undefined ? undefined : this.#agentOf(tunnelId),
        user: exchange.user,
        code: error?.publicCode,
        detail,
        err: isFault ? error.cause : undefined,
      }
      if (isFault) this.#log.error(fields, 'exchange')
      else this.#log.info(fields, 'exchange')
      return
    }
    if (!this.#log.isLevelEnabled('info')) return
    const start = `${this.#startAt(now)}${exchange.requestId}"`
    const asked = `${this.#method.of(exchange.method)}${this.#host.of(exchange.host)},"path":"${inJson(cut(exchange.visitorPath))}"`
    const answered = `,"status":${exchange.status},"ms":${TENTHS[tenths] ?? tenths / 10}${this.#clientIp.of(exchange.clientIp)}`
    const by = `${this.#edgeId.of(exchange.edgeId || undefined)}${this.#internalEdgeId.of(exchange.internalEdgeId)}${this.#tunnelId.of(tunnelId)}${this.#user.of(exchange.user)}`
    const reason = detail === undefined ? '' : `,"detail":"${inJson(detail)}"`
    const why = this.#code.of(error?.publicCode) + reason
    this.#output.write(`${start}${asked}${answered}${by}${why},"msg":"exchange"}\n`)
  }

  /**
   * The line up to the request's id. Many lines share a millisecond, and formatting its time takes as long as the rest
   * of a line. The system's clock is read only once a second, because reading it costs a tenth of a line.
   *
   * @param monotonic milliseconds
   */
  #startAt(monotonic: number): string {
    if (monotonic >= this.#clockUntil) {
      this.#clockOffset = Date.now() - performance.now()
      this.#clockUntil = monotonic + CLOCK_MS
    }
    const now = Math.round(monotonic + this.#clockOffset)
    if (now !== this.#now) {
      this.#now = now
      this.#start = `{"level":30,"time":"${new Date(now).toISOString()}"${this.#bindings},"requestId":"`
    }
    return this.#start
  }
}

function cut(path: string): string {
  return path.length > PATH_MAX_CHARS ? `${path.slice(0, PATH_MAX_CHARS)}…` : path
}
