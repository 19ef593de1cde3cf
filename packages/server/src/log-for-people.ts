// The lines of the log for people on a terminal: one for each request, in columns, and one for each other event. Values
// in, text out; it remembers only the widths of the columns. Text from outside can neither move the cursor nor begin a
// line of its own.

import { styleText } from 'node:util'

import { withoutControls } from '@sallyport/protocol/printable'

type Style = Parameters<typeof styleText>[0]

/** The terminal of the lines. */
export interface Reader {
  hasColours: boolean
  /** The current width of the terminal; undefined if nothing is cut, such as in a file. */
  columns: () => number | undefined
}

const LEVELS = new Map([
  [10, 'TRACE'],
  [20, 'DEBUG'],
  [30, 'INFO'],
  [40, 'WARN'],
  [50, 'ERROR'],
  [60, 'FATAL'],
])
const WARN = 40
const ERROR = 50

/** Time, status, duration and a short method. */
const HEAD = 25
/** The minimum width of host and path, even on a narrow terminal. */
const PLACE_MIN = 16
const PLACE_MAX = 60
const PLACE_IN_FILES = 40
/** From so many columns on, the cells after the place have columns, too. */
const WIDE = 100
/** A longer cell moves only its own line. */
const COLUMN_MAX = 20
/** Kept free after the columns, so that refused requests have the same columns. */
const CODE_AND_ID = 45
/** Ids that only programs compare: so many characters distinguish them. */
const LONG_ID = /^(?:ses|tse|tun|nod)_[\w-]{12,}$/
const ID_CHARS = 12
/** Fields that the line has already, or that are not worth the room. */
const UNTOLD = new Set(['level', 'time', 'msg', 'err', 'instanceId', 'agentVersion', 'os'])

interface Line extends Record<string, unknown> {
  level: number
  /** Milliseconds since 1970. */
  time: number
  msg: string
  err?: { stack?: string; message?: string }
}

export class LogForPeople {
  readonly #reader: Reader
  readonly #widths = { edge: 0, agent: 0, user: 0 }

  constructor(reader: Reader) {
    this.#reader = reader
  }

  /** @param json a line of pino, with its time as a number */
  write(json: string): string {
    const line = JSON.parse(json) as Line // pino wrote it
    const text = line.msg === 'exchange' ? this.#exchange(line) : this.#other(line)
    const { stack, message } = line.err ?? {}
    const reason = stack ?? message
    return reason === undefined ? `${text}\n` : `${text}\n${reason.split('\n').map(indented).join('\n')}\n`
  }

  /** Time, status, duration, method, host and path, edge, agent, person, code, id, and the reason, if any. */
  #exchange(line: Line): string {
    const of = (name: string): string => wordOf(line[name])
    const status = Number(line['status'])
    const columns = this.#reader.columns()
    const isWide = columns === undefined || columns >= WIDE
    const agent = of('agent') || of('tunnelId')
    const code = of('code')
    const style = styleOf(status)
    const head = [
      this.#dim(timeOf(line.time)),
      this.#styled(style, (status === 0 ? '-' : String(status)).padEnd(4)),
      durationOf(Number(line['ms'])).padStart(6),
      of('method').padEnd(4),
    ]
    const tail = [
      ...(isWide ? [this.#dim(this.#column('edge', of('edgeId')))] : []), // usually the host says it as well
      this.#styled('green', isWide ? this.#column('agent', agent) : agent),
      isWide ? this.#column('user', of('user')) : of('user'),
      this.#styled(style, code),
      this.#dim(of('requestId')),
      of('detail'),
    ].filter((cell) => cell !== '')
    return [...head, this.#place(of('host'), of('path'), head, tail, columns), ...tail].join(' ').trimEnd()
  }

  /** While everything fits, the columns after it keep their place; a longer one uses the rest of its own line. */
  #place(host: string, path: string, head: string[], tail: string[], columns: number | undefined): string {
    if (columns === undefined) return `${host}${path}`.padEnd(PLACE_IN_FILES)
    const { edge, agent, user } = this.#widths
    const headWidth = widthOf(head)
    const free = Math.max(PLACE_MIN, columns - headWidth - widthOf(tail) - 2) // and a space on both sides
    const usual = columns < WIDE ? 0 : Math.min(PLACE_MAX, columns - HEAD - edge - agent - user - CODE_AND_ID)
    return cutPlace(host, path, free).padEnd(Math.min(free, Math.max(PLACE_MIN, usual + HEAD - headWidth)))
  }

  #other(line: Line): string {
    const { level, msg } = line
    const word = LEVELS.get(level) ?? String(level)
    const style: Style | undefined = level >= ERROR ? 'red' : level >= WARN ? 'yellow' : undefined
    const fields = Object.entries(line)
      .filter(([name]) => !UNTOLD.has(name))
      .map(([name, value]) => `${this.#dim(`${name}=`)}${quoted(wordOf(value))}`)
    const said = [this.#dim(timeOf(line.time)), this.#styled(style, word.padEnd(4)), withoutControls(msg)]
    return `${said.join(' ')}${fields.length > 0 ? '  ' : ''}${fields.join(' ')}`
  }

  /** The greatest width so far. */
  #column(name: 'edge' | 'agent' | 'user', text: string): string {
    this.#widths[name] = Math.max(this.#widths[name], Math.min(text.length, COLUMN_MAX))
    return text.padEnd(this.#widths[name])
  }

  #dim(text: string): string {
    return this.#styled('dim', text)
  }

  #styled(style: Style | undefined, text: string): string {
    if (style === undefined || text === '' || !this.#reader.hasColours) return text
    return styleText(style, text, { validateStream: false }) // the reader knows it
  }
}

/** Cuts the host first, then the end of the path, so that both can be recognised. */
function cutPlace(host: string, path: string, width: number): string {
  if (host.length + path.length <= width) return host + path
  const shortened = cut(host, Math.max(width - path.length, Math.ceil(width / 2)))
  return shortened + cut(path, width - shortened.length)
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`
}

/** The visible width of the cells, with a space between each. */
function widthOf(cells: readonly string[]): number {
  // The codes that styleText puts around a cell; nothing else in it can begin like one.
  // oxlint-disable-next-line no-control-regex
  return cells.reduce((sum, cell) => sum + cell.replaceAll(/\u001b\[\d+m/g, '').length, cells.length - 1)
}

function styleOf(status: number): Style | undefined {
  if (status === 0 || status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}

function durationOf(ms: number): string {
  if (ms < 100) return `${ms.toFixed(1)}ms`
  return ms < 10_000 ? `${Math.round(ms)}ms` : `${Math.round(ms / 1000)}s`
}

/** This machine's local time. */
function timeOf(time: number): string {
  return new Date(time).toTimeString().slice(0, 8)
}

function wordOf(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value === 'string') return withoutControls(LONG_ID.test(value) ? value.slice(0, ID_CHARS) : value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return value.map(wordOf).join(',')
  return Object.entries(value)
    .map(([name, each]) => `${withoutControls(name)}=${wordOf(each)}`)
    .join(',')
}

function quoted(text: string): string {
  return text === '' || /[\s"]/.test(text) ? JSON.stringify(text) : text
}

function indented(line: string): string {
  return `    ${withoutControls(line)}`
}
