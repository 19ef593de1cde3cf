// Takes a policy over when its file changes, or on demand. The file is polled, because editors and Kubernetes replace it by
// renames and symlinks that file events miss. It is read when it has been quiet for a moment: half a policy may be a valid one
// that lets everybody in.

import { unwatchFile, watchFile } from 'node:fs'

import { ConfigError } from '@sallyport/protocol/config-error'

import type { Agent } from '../agent.ts'
import type { Log } from '../log.ts'
import type { PolicyText } from '../plan/agent-options.ts'

const POLL_INTERVAL_MS = 500
const QUIET_MS = 1000 // without a change, before the file is read

/** Where a policy is read from. */
export interface PolicySource {
  /** Its name in messages. */
  readonly name: string
  /** Undefined for a URL, which is read on demand only. */
  readonly file: string | undefined
  /** @throws ConfigError if it cannot be read */
  read: () => Promise<PolicyText | undefined>
}

export class PolicyWatch {
  readonly #source: PolicySource
  readonly #agent: Pick<Agent, 'changePolicy' | 'keepPolicy'>
  readonly #log: Log
  readonly #onChange = (): void => this.#readSoon()
  #timer: NodeJS.Timeout | undefined

  constructor(source: PolicySource, agent: Pick<Agent, 'changePolicy' | 'keepPolicy'>, log: Log) {
    this.#source = source
    this.#agent = agent
    this.#log = log
    if (source.file === undefined) return
    watchFile(source.file, { interval: POLL_INTERVAL_MS, persistent: false }, this.#onChange)
    this.#readSoon() // it may have changed since the agent read it
  }

  /** Reads it now. */
  reload(): void {
    this.#read().catch((error: unknown) => this.#log.error({ err: error }, 'the policy could not be read again'))
  }

  close(): void {
    clearTimeout(this.#timer)
    if (this.#source.file !== undefined) unwatchFile(this.#source.file, this.#onChange)
  }

  #readSoon(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.reload(), QUIET_MS).unref()
  }

  async #read(): Promise<void> {
    try {
      const text = await this.#source.read()
      if (text) this.#agent.changePolicy(text)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      this.#agent.keepPolicy(this.#source.name, error.problems)
    }
  }
}
