// Reports refusals by a limit. A metric counts each one. The log gets a line at once, and then at most one line a
// minute with the number of further refusals.

import type { LimitName } from '../config/config.ts'
import type { Logger } from '../log.ts'

const LINE_INTERVAL_MS = 60_000

interface Refused {
  total: number
  untold: number
  /** Of the last refusal not yet reported. */
  address: string | undefined
  timer: NodeJS.Timeout | undefined
}

export class LimitRefusals {
  readonly #log: Logger
  readonly #byLimit = new Map<LimitName, Refused>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** Since the start. */
  *totals(): Iterable<[LimitName, number]> {
    for (const [limit, { total }] of this.#byLimit) yield [limit, total]
  }

  /** @param address of the refused visitor or agent, if known */
  count(limit: LimitName, address?: string): void {
    let refused = this.#byLimit.get(limit)
    if (!refused) this.#byLimit.set(limit, (refused = { total: 0, untold: 0, address: undefined, timer: undefined }))
    refused.total++
    refused.untold++
    refused.address = address
    if (refused.timer === undefined) this.#tell(limit, refused)
  }

  /** Reports the refusals not yet reported. */
  close(): void {
    for (const [limit, refused] of this.#byLimit) {
      clearTimeout(refused.timer)
      if (refused.untold > 0) this.#write(limit, refused)
    }
  }

  #tell(limit: LimitName, refused: Refused): void {
    refused.timer = undefined
    if (refused.untold === 0) return
    this.#write(limit, refused)
    refused.timer = setTimeout(() => this.#tell(limit, refused), LINE_INTERVAL_MS).unref()
  }

  #write(limit: LimitName, refused: Refused): void {
    const { untold, address } = refused
    refused.untold = 0
    this.#log.warn({ limit, refused: untold, ...(address !== undefined && { address }) }, 'refused by a limit')
  }
}
