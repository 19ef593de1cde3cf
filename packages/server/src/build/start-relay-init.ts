// What a relay is started with, and what it tells when it has. Types only.

import type { AddressInfo } from 'node:net'

import type { AttemptSharing } from '../exchange/attempts.ts'
import type { Logger } from '../log.ts'
import type { Meeting } from '../node/neighbours.ts'

export interface StartRelayInit {
  log: Logger
  /** Where the log goes, for who wants to know how much of it is missing. */
  logOutput?: { readonly droppedLines: number }
  env: NodeJS.ProcessEnv
  /** Where this relay is one node of several. */
  node?: NodeInit
  /** Where it is one of several processes that share their ports. Somebody else answers to the operator for all of them. */
  worker?: WorkerInit
}

export interface NodeInit extends Meeting {
  nodeId: string
}

export interface WorkerInit {
  attempts: AttemptSharing
  /** Says why nothing can be kept in the store, or that it can be kept again. */
  tellStoreLoss: (loss: string | undefined) => void
  /** Tells that no exchange is left here; resolves when none is left at the other workers either, whose exchanges may run over agents of ours. */
  othersFinished: () => Promise<void>
}

/** Where a running relay listens. */
export interface RelayAddresses {
  http?: AddressInfo
  https?: AddressInfo
  /** Not where it is a worker. */
  admin?: AddressInfo
}
