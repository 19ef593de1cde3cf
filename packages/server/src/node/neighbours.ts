// The other nodes: they learn of this node's lanes through the directory, their lanes become lanes here, and streams go
// over one link to each node. For every choice a tunnel is one tunnel, wherever its agent is connected.

import type { BufferBudget } from '@sallyport/protocol'

import type { Limits } from '../config/config.ts'
import type { Logger } from '../log.ts'
import type { Lane, OnHealth } from '../tunnel/tunnel.ts'
import type { EndpointBinder } from '../tunnel/endpoint-binder.ts'
import { logHealth } from '../tunnel/log-health.ts'
import { isEndpointOffer, type Offer } from '../tunnel/offer.ts'
import type { LocalLaneListener, Registry } from '../tunnel/registry.ts'
import type { Directory, DirectoryEvent, HealthReport, LaneKey, Listing } from './directory.ts'
import { LinkListener } from './link-listener.ts'
import { NodeLink } from './node-link.ts'
import { RemoteSession } from './remote-session.ts'

/** How a node reaches the others. */
export interface Meeting {
  directory: Directory
  /** The path of the socket at which this node takes links, in a folder that is open to this user only. */
  link: string
  /** 32 bytes, known only to the nodes. */
  secret: Buffer
}

export interface NeighboursInit extends Meeting {
  registry: Registry
  endpoints: Pick<EndpointBinder, 'adopt' | 'hear'>
  limits: Limits
  budget: BufferBudget
  log: Logger
}

interface Neighbour {
  link: NodeLink
  lanes: Map<string, Lane>
}

export class Neighbours implements LocalLaneListener {
  readonly #init: NeighboursInit
  readonly #listener: LinkListener
  readonly #neighbours = new Map<string, Neighbour>()
  /** The lanes that end here. */
  readonly #lanes = new Map<string, Lane>()
  #pastHops = 0

  /** @throws the system's error if the link's socket cannot be made */
  static async open(init: NeighboursInit): Promise<Neighbours> {
    const neighbours = new Neighbours(init)
    await neighbours.#listener.listen(init.link)
    init.registry.watchLocalLanes(neighbours)
    init.directory.join(init.link, (event) => neighbours.#hear(event))
    return neighbours
  }

  /** Use `Neighbours.open`. */
  constructor(init: NeighboursInit) {
    this.#init = init
    this.#listener = new LinkListener({ ...init, findLane: (key) => this.#lanes.get(keyOf(key)) })
  }

  /** Streams that went to other nodes so far. */
  get hops(): number {
    let hops = this.#pastHops
    for (const { link } of this.#neighbours.values()) hops += link.hops
    return hops
  }

  /** Leaves: open streams between nodes are cut. */
  close(): void {
    this.#init.directory.leave()
    for (const nodeId of this.#neighbours.keys()) this.#forget(nodeId)
    this.#listener.close()
  }

  onLaneJoined(lane: Lane, offer: Offer): void {
    const { id: sessionId, authtokenId, instanceId = '' } = lane.session // a session that binds has said hello
    const key = { sessionId, number: lane.tunnel.number }
    this.#lanes.set(keyOf(key), lane)
    this.#init.directory.tell({ type: 'listed', listing: { ...key, authtokenId, instanceId, offer } })
  }

  onLaneRetired(lane: Lane): void {
    const key = { sessionId: lane.session.id, number: lane.tunnel.number }
    this.#lanes.delete(keyOf(key))
    this.#init.directory.tell({ type: 'withdrawn', ...key })
  }

  onLaneReport(lane: Lane, healthy: boolean, detail: string): void {
    const key = { sessionId: lane.session.id, number: lane.tunnel.number }
    this.#init.directory.tell({ type: 'reported', ...key, report: { healthy, detail } })
  }

  #hear(event: DirectoryEvent): void {
    switch (event.type) {
      case 'joined': {
        this.#forget(event.nodeId)
        const link = new NodeLink(event.nodeId, event.link, this.#init)
        this.#neighbours.set(event.nodeId, { link, lanes: new Map() })
        return
      }
      case 'left':
        return this.#forget(event.nodeId)
      case 'listed':
        return this.#learn(event.nodeId, event.listing)
      case 'withdrawn':
        return this.#unlearn(event.nodeId, event)
      case 'reported':
        return this.#report(this.#neighbours.get(event.nodeId)?.lanes.get(keyOf(event)), event.report)
    }
  }

  #learn(nodeId: string, listing: Listing): void {
    const neighbour = this.#neighbours.get(nodeId)
    if (!neighbour) return
    const known = neighbour.lanes.get(keyOf(listing))
    if (known) return isEndpointOffer(listing.offer) ? this.#init.endpoints.hear(known, listing.offer) : undefined
    const lane = this.#joinRemote(listing, new RemoteSession(listing, neighbour.link))
    if (!lane) return
    neighbour.lanes.set(keyOf(listing), lane)
    if (listing.report) this.#report(lane, listing.report)
  }

  #joinRemote({ offer }: Listing, session: RemoteSession): Lane | undefined {
    const { registry, endpoints, log } = this.#init
    const onHealth: OnHealth = (tunnel, change) => logHealth(log, tunnel, change)
    if (isEndpointOffer(offer)) return endpoints.adopt(offer, session, onHealth)
    return registry.join(offer, session, onHealth).lane
  }

  #unlearn(nodeId: string, key: LaneKey): void {
    const lanes = this.#neighbours.get(nodeId)?.lanes
    const lane = lanes?.get(keyOf(key))
    lanes?.delete(keyOf(key))
    lane?.retire()
  }

  /** If the agent is connected here as well, it says the same here, and sooner. */
  #report(lane: Lane | undefined, { healthy, detail }: HealthReport): void {
    if (lane && !lane.tunnel.isNear) lane.report(healthy, detail)
  }

  #forget(nodeId: string): void {
    const neighbour = this.#neighbours.get(nodeId)
    if (!neighbour) return
    this.#neighbours.delete(nodeId)
    for (const lane of neighbour.lanes.values()) lane.retire()
    this.#pastHops += neighbour.link.hops
    neighbour.link.close()
  }
}

function keyOf({ sessionId, number }: LaneKey): string {
  return `${sessionId} ${number}`
}
