// The result of reading relay.yml again, for the operator's command, the log and the metrics. Types, and a state.

import type { EdgeChanges } from '../edge/configured-edges.ts'
import type { ConfigProblem } from '../errors.ts'

export type ReloadReport =
  | {
      ok: true
      edges: EdgeChanges
      /** Changed keys whose data policies read. They are in use now. */
      taken_over: string[]
      /** Other keys that differ from those of the start. They count after a restart. */
      restart_needed: string[]
    }
  /** Nothing has changed. */
  | { ok: false; problems: ConfigProblem[] }

/** The last reading of relay.yml. The first one is that of the start. */
export class LastReload {
  isSuccessful = true
  /** In milliseconds since 1970. */
  at = Date.now()

  note({ ok }: ReloadReport): void {
    this.isSuccessful = ok
    this.at = Date.now()
  }
}
