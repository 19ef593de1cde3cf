// Reading relay.yml again while the relay runs: by `relay reload` or SIGHUP. A file with a problem changes nothing.

import { restartKeys, takenKeys } from '../build/restart-keys.ts'
import type { Config } from '../config/config.ts'
import { loadSource } from '../config/load-config.ts'
import type { ConfigSource } from '../config/load-config.ts'
import { withLines } from '../config/with-lines.ts'
import { ConfigError } from '../errors.ts'
import type { ConfigProblem } from '../errors.ts'
import type { Logger } from '../log.ts'
import { LastReload } from '../operator/reload.ts'
import type { ReloadReport } from '../operator/reload.ts'
import type { EdgeChanges } from '../edge/configured-edges.ts'

export interface ReloadInit {
  file: string
  /** The configuration with which the relay started. */
  config: Config
  log: Logger
  /** Takes the edges over. @throws ConfigError with every reason why it cannot; nothing has changed then */
  apply: (config: Config, source: ConfigSource) => Promise<EdgeChanges>
}

export class Reload {
  readonly last = new LastReload()
  readonly #init: ReloadInit
  /** The configuration whose edges are in use. */
  #current: Config
  /** Readings run one at a time, in the order of the calls. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(init: ReloadInit) {
    this.#init = init
    this.#current = init.config
  }

  /** Reads the file when earlier readings have ended. Rejects with internal errors only. */
  run(): Promise<ReloadReport> {
    const running = this.#turn.then(() => this.#run())
    this.#turn = running.catch(() => {}) // its own caller gets the error
    return running
  }

  async #run(): Promise<ReloadReport> {
    const report = await this.#read()
    this.last.note(report)
    this.#tell(report)
    return report
  }

  async #read(): Promise<ReloadReport> {
    const { file, config, apply } = this.#init
    let source: ConfigSource | undefined
    try {
      const read = await loadSource({ file, env: process.env })
      source = read.source
      const edges = await apply(read.config, source)
      const taken = takenKeys(this.#current, read.config)
      this.#current = read.config
      return { ok: true, edges, taken_over: taken, restart_needed: restartKeys(config, read.config) }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return { ok: false, problems: source ? withLines(error.problems, source) : [...error.problems] }
    }
  }

  #tell(report: ReloadReport): void {
    const { file, log } = this.#init
    if (!report.ok) {
      return log.error(
        { file, problems: report.problems.map(sentenceOf) },
        'relay.yml was not taken over: it has problems',
      )
    }
    const { added, changed, removed, unchanged } = report.edges
    const { restart_needed: keys, taken_over: taken } = report
    log.info(
      { file, added: added.length, changed: changed.length, removed: removed.length, unchanged, taken },
      'the edges of relay.yml were taken over',
    )
    if (keys.length > 0)
      log.warn({ file, keys }, 'these keys of relay.yml have changed as well; they count after a restart')
  }
}

function sentenceOf({ path, message }: ConfigProblem): string {
  return `${path}: ${message}`
}
