// The files that a process may have open; every connection takes one. Node.js uses as many as the system allows (it
// raises the soft limit to the hard one at its start). Beyond that, the system itself closes connections without an
// answer, so our limits stay below.

import { closeSync, openSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'

import type { Limits } from '../config/config.ts'
import type { Logger } from '../log.ts'

// For everything except connections of visitors and agents: some forty at rest, the admin listener, providers, the
// store, other workers.
const RESERVED_MAX = 256
const RESERVED_SHARE = 0.25
// Connections on trial, and as many that are being turned away.
const SPARE_MAX = 256
const SPARE_SHARE = 0.125
/** The parts of the files that visitors and agents cannot take from each other. */
const SAFE_SHARE = 0.25

const LOOK_INTERVAL_MS = 1000
const CALM_LOOKS = 10 // how long files must be sufficient again before the log says so

/** How many connections visitors and agents may have. */
export interface FileShare {
  /** Of visitors and agents together. */
  connections: number
  visitors: number
  agents: number
  /** The number of connections on trial, and also the number that are being turned away. */
  spare: number
}

interface Report {
  userLimits?: { open_files?: { soft?: number | 'unlimited' } }
}

/** How many files this process may have open; undefined if there is no limit, or the relay cannot find it out. */
export function openFilesLimit(): number | undefined {
  if (process.platform === 'linux') {
    const soft = /^Max open files +(\d+) /m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? undefined : Number(soft)
  }
  const report = process.report.getReport() as unknown as Report // Node.js documents an object; its types say less
  const soft = report.userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}

/** How the files are distributed. Pure. @param limit undefined without one */
export function shareFiles(
  limit: number | undefined,
  { visitor_connections, agent_sessions }: Pick<Limits, 'visitor_connections' | 'agent_sessions'>,
): FileShare {
  const wanted = visitor_connections + agent_sessions
  const all = { connections: wanted, visitors: visitor_connections, agents: agent_sessions, spare: SPARE_MAX }
  if (limit === undefined) return all
  const usable = limit - Math.min(RESERVED_MAX, Math.floor(limit * RESERVED_SHARE))
  const spare = Math.min(SPARE_MAX, Math.floor(usable * SPARE_SHARE))
  const connections = usable - 2 * spare
  if (connections >= wanted) return { ...all, spare }
  const safe = Math.floor(connections * SAFE_SHARE)
  return {
    connections,
    visitors: Math.min(visitor_connections, connections - Math.min(agent_sessions, safe)),
    agents: Math.min(agent_sessions, connections - Math.min(visitor_connections, safe)),
    spare,
  }
}

/** Warns the operator at the start if there are too few files for the limits of the configuration. */
export function compareWithLimits(
  limit: number | undefined,
  share: FileShare,
  { visitor_connections, agent_sessions }: Pick<Limits, 'visitor_connections' | 'agent_sessions'>,
  log: Logger,
): void {
  const wanted = visitor_connections + agent_sessions
  if (limit === undefined || share.connections >= wanted) return
  log.warn(
    {
      openFiles: limit,
      needed: wanted + RESERVED_MAX + 2 * SPARE_MAX,
      visitorConnections: share.visitors,
      agentSessions: share.agents,
      advice:
        'raise the limit (LimitNOFILE= of systemd, ulimits of a container, ulimit -Hn in a shell), or lower ' +
        'limits.visitor_connections and limits.agent_sessions',
    },
    'the system allows fewer open files than the limits need',
  )
}

/** Checks every second whether a file can still be opened. */
export class OpenFilesWatch {
  readonly #limit: number
  readonly #log: Logger
  readonly #timer: NodeJS.Timeout
  #isShort = false
  #calm = 0

  /** @param limit the limit at the start, because it can change while a process runs */
  constructor(limit: number | undefined, log: Logger) {
    this.#limit = limit ?? Infinity
    this.#log = log
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL_MS).unref()
  }

  /** Whether almost no files are left. */
  get isShort(): boolean {
    return this.#isShort
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const used = lowestFree()
    const reserve = Math.min(RESERVED_MAX, Math.floor(this.#limit * RESERVED_SHARE))
    const isShort = used === undefined || used > this.#limit - reserve / 4
    this.#calm = isShort ? 0 : this.#calm + 1
    if (isShort && !this.#isShort) {
      this.#isShort = true
      this.#log.error({ openFiles: this.#limit, used: used ?? 'all' }, 'open files are running out')
    } else if (this.#isShort && this.#calm >= CALM_LOOKS) {
      this.#isShort = false
      this.#log.info({ openFiles: this.#limit, used }, 'there are enough open files again')
    }
  }
}

/** The system assigns the lowest free number. Undefined if none is free. */
function lowestFree(): number | undefined {
  try {
    const file = openSync(devNull, 'r')
    closeSync(file)
    return file
  } catch {
    return undefined // EMFILE of this process, ENFILE of the machine
  }
}
