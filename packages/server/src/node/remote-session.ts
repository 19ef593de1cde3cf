// An agent's session at another node, as the carrier of lanes here: streams reach it over the link.

import type { YamuxStream } from '@sallyport/protocol'

import type { LaneCarrier, Tunnel } from '../tunnel/tunnel.ts'
import type { Listing } from './directory.ts'
import type { NodeLink } from './node-link.ts'

export class RemoteSession implements LaneCarrier {
  readonly id: string
  readonly authtokenId: string
  readonly instanceId: string
  readonly isLocal = false
  readonly #link: NodeLink

  constructor({ sessionId, authtokenId, instanceId }: Listing, link: NodeLink) {
    this.id = sessionId
    this.authtokenId = authtokenId
    this.instanceId = instanceId
    this.#link = link
  }

  /** Only its own node can judge the session: that node refuses a stream that it cannot serve. */
  get isResponsive(): boolean {
    return this.#link.isResponsive
  }

  get isGathering(): boolean {
    return false // all agents of the other node share the way there
  }

  get isSilent(): boolean {
    return this.#link.isSilent
  }

  openStream({ number }: Tunnel, visitor: string): YamuxStream {
    return this.#link.openStream({ sessionId: this.id, number }, visitor)
  }

  probe(): void {
    this.#link.probe()
  }

  /** Only its own node can find out, too. */
  async confirm(): Promise<void> {}
}
