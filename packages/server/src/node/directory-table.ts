// The directory of nodes with its table in this process. No I/O: members are informed by calls.

import type { Directory, DirectoryChange, DirectoryEvent, LaneKey, Listing } from './directory.ts'

interface Member {
  link: string
  listener: (event: DirectoryEvent) => void
  listings: Map<string, Listing>
}

export class DirectoryTable {
  readonly #nodeIds: readonly string[]
  readonly #members = new Map<string, Member>()

  /** @param nodeIds every planned node */
  constructor(nodeIds: readonly string[]) {
    this.#nodeIds = nodeIds
  }

  /** The directory as one node sees it. */
  at(nodeId: string): Directory {
    return {
      nodeIds: this.#nodeIds,
      join: (link, listener) => this.#join(nodeId, { link, listener, listings: new Map() }),
      tell: (change) => this.#tell(nodeId, change),
      leave: () => this.#leave(nodeId),
    }
  }

  #join(nodeId: string, member: Member): void {
    this.#leave(nodeId)
    for (const [otherId, { link, listings }] of this.#members) {
      member.listener({ nodeId: otherId, type: 'joined', link })
      for (const listing of listings.values()) member.listener({ nodeId: otherId, type: 'listed', listing })
    }
    this.#members.set(nodeId, member)
    this.#publish({ nodeId, type: 'joined', link: member.link })
  }

  #tell(nodeId: string, change: DirectoryChange): void {
    const listings = this.#members.get(nodeId)?.listings
    if (!listings) return
    if (change.type === 'listed') listings.set(keyOf(change.listing), withReport(change.listing, listings))
    else if (change.type === 'withdrawn') listings.delete(keyOf(change))
    else {
      const listing = listings.get(keyOf(change))
      if (!listing) return
      listings.set(keyOf(change), { ...listing, report: change.report })
    }
    this.#publish({ nodeId, ...change })
  }

  #leave(nodeId: string): void {
    if (this.#members.delete(nodeId)) this.#publish({ nodeId, type: 'left' })
  }

  #publish(event: DirectoryEvent): void {
    for (const [nodeId, { listener }] of this.#members) if (nodeId !== event.nodeId) listener(event)
  }
}

/** An offer that has changed is listed again; the app is as healthy as before. */
function withReport(listing: Listing, listings: ReadonlyMap<string, Listing>): Listing {
  const report = listings.get(keyOf(listing))?.report
  return report ? { ...listing, report } : listing
}

function keyOf({ sessionId, number }: LaneKey): string {
  return `${sessionId} ${number}`
}
