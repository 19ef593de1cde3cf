// The options of a relay, and its report once it has started. Types only.

import type { AddressInfo } from 'node:net'

import type { AttemptSharing } from '../exchange/attempts.ts'
import type { Logger } from '../log.ts'
import type { Meeting } from '../node/neighbours.ts'
import type { LastReload, ReloadReport } from '../operator/reload.ts'
import type { CountSharing } from '../policy/rate-limit/shared-counts.ts'

export interface StartRelayInit {
  log: Logger
  /** The output of the log, for the count of lost lines. */
  logOutput?: { readonly droppedLines: number }
  env: NodeJS.ProcessEnv
  /** Reads relay.yml again, for the operator; absent without a file, and in a worker. */
  reload?: (() => Promise<ReloadReport>) | undefined
  /** For the metrics; absent in a worker. */
  lastReload?: LastReload | undefined
  /** How long a request may take that a changed edge would not let in; shorter in tests. */
  recheckGraceMs?: number | undefined
  /** Set if this relay is one node of several. */
  node?: NodeInit
  /**
   * Set if it is one of several processes that share their ports. The supervisor answers the operator for all of them.
   */
  worker?: WorkerInit
}

export interface NodeInit extends Meeting {
  nodeId: string
}

export interface WorkerInit {
  attempts: AttemptSharing
  /** For rate limits. */
  counts: CountSharing
  /** Reports why nothing can be saved in the store, or that it can be saved again. */
  tellStoreLoss: (loss: string | undefined) => void
  /**
   * Reports that no exchange is left here; resolves when none is left at the other workers either, whose exchanges may
   * use agents of ours.
   */
  othersFinished: () => Promise<void>
}

/** The addresses of a running relay. */
export interface RelayAddresses {
  http?: AddressInfo
  https?: AddressInfo
  /** Absent in a worker. */
  admin?: AddressInfo
}
