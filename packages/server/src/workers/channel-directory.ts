// The directory of nodes as a worker sees it: the supervisor has its table, at the other end of the channel.

import type { Directory, DirectoryChange, DirectoryEvent } from '../node/directory.ts'
import type { FromWorker } from './messages.ts'

export class ChannelDirectory implements Directory {
  readonly nodeIds: readonly string[]
  readonly #send: (message: FromWorker) => void
  #listener: ((event: DirectoryEvent) => void) | undefined

  constructor(nodeIds: readonly string[], send: (message: FromWorker) => void) {
    this.nodeIds = nodeIds
    this.#send = send
  }

  join(link: string, listener: (event: DirectoryEvent) => void): void {
    this.#listener = listener
    this.#send({ type: 'joined', link })
  }

  tell(change: DirectoryChange): void {
    this.#send({ type: 'told', change })
  }

  leave(): void {
    this.#listener = undefined
    this.#send({ type: 'left' })
  }

  /** A message from the channel. */
  hear(event: DirectoryEvent): void {
    this.#listener?.(event)
  }
}
