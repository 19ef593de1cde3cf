// One line per exchange, when it is over. Only the path is written, never the query: queries carry secrets.
//
// There is one for every request, so it does not go through pino, whose redaction alone takes half as long as all else that
// a request costs the relay. It is the same to the byte. There is nothing to redact in it: its fields are named here, and
// each is one text or number.

import { outputOf } from '../log.ts'
import type { LineOutput, Logger } from '../log.ts'
import type { Exchange } from './exchange.ts'

const PATH_MAX_CHARS = 2048 // a head may have 32 KiB, and a line is for reading
const QUICK_MAX_CHARS = 128 // from about there JSON.stringify is as quick
const CLOCK_MS = 1000 // within which a clock that was set shows in the lines
const SPACE = 0x20
const QUOTE = 0x22
const BACKSLASH = 0x5c
const FIRST_SURROGATE = 0xd800

export class AccessLog {
  readonly #log: Logger
  readonly #agentOf: (tunnelId: string) => string | undefined
  /** Undefined where lines are not JSON. */
  readonly #output: LineOutput | undefined
  /** Of the log, such as the number of a worker, as they stand in each line. */
  readonly #bindings: string
  /** Of the system's clock beside the monotonic one, in milliseconds. */
  #clockOffset = 0
  #clockUntil = -Infinity
  #now = 0
  #time = ''

  /** @param agentOf what the agent of a tunnel calls itself, for people */
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
    const ms = Math.round((now - exchange.startedAt) * 10) / 10
    const detail = error?.detail ?? exchange.cutReason?.message
    // A reason is worth its stack only where the relay itself is at fault.
    const isFault = error?.code === 'internal'
    if (isFault || !this.#output) {
      const fields = {
        requestId: exchange.requestId,
        method: exchange.method,
        host: exchange.host,
        path: cut(exchange.path),
        status: exchange.status,
        ms,
        clientIp: exchange.clientIp,
        edgeId: exchange.edgeId || undefined,
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
    const start = `{"level":30,"time":"${this.#timeAt(now)}"${this.#bindings}`
    const asked = `,"requestId":"${exchange.requestId}","method":"${inJson(exchange.method)}","host":"${inJson(exchange.host)}","path":"${inJson(cut(exchange.path))}"`
    const answered = `,"status":${exchange.status},"ms":${ms},"clientIp":"${inJson(exchange.clientIp)}"`
    const edgeId = field(',"edgeId":"', exchange.edgeId || undefined)
    const tunnel = field(',"tunnelId":"', tunnelId)
    const user = field(',"user":"', exchange.user)
    const reason = field(',"code":"', error?.publicCode) + field(',"detail":"', detail)
    this.#output.write(`${start}${asked}${answered}${edgeId}${tunnel}${user}${reason},"msg":"exchange"}\n`)
  }

  /**
   * Many lines share a millisecond, and to write its time takes as long as the rest of a line. The system's clock is looked at
   * once a second only: asking it costs as much as a tenth of the line.
   *
   * @param monotonic milliseconds
   */
  #timeAt(monotonic: number): string {
    if (monotonic >= this.#clockUntil) {
      this.#clockOffset = Date.now() - performance.now()
      this.#clockUntil = monotonic + CLOCK_MS
    }
    const now = Math.round(monotonic + this.#clockOffset)
    if (now !== this.#now) {
      this.#now = now
      this.#time = new Date(now).toISOString()
    }
    return this.#time
  }
}

function cut(path: string): string {
  return path.length > PATH_MAX_CHARS ? `${path.slice(0, PATH_MAX_CHARS)}…` : path
}

/** @param start up to the quote in front of the value */
function field(start: string, value: string | undefined): string {
  return value === undefined ? '' : `${start}${inJson(value)}"`
}

/** As it stands between quotes: what JSON.stringify says, and sooner for what needs no escape. */
function inJson(text: string): string {
  if (text.length > QUICK_MAX_CHARS) return JSON.stringify(text).slice(1, -1)
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < SPACE || code === QUOTE || code === BACKSLASH || code >= FIRST_SURROGATE)
      return JSON.stringify(text).slice(1, -1)
  }
  return text
}
