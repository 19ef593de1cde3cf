// The operator's view of one relay process: its edges, tunnels and agents, read from the rooms on request, so that it
// costs nothing otherwise. No HTTP, no I/O.

import type { StoredEdgeInUse } from '../edge/stored/stored-edge.ts'
import type { EdgeBook } from '../edge/edge-book.ts'
import type { Registry } from '../tunnel/registry.ts'
import type { TunnelSession } from '../tunnel/session.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'
import { pageOf } from './page-of.ts'
import { agentKey } from './questions.ts'
import type { Answer, Answers, PageWish, ProcessStatus, Question } from './questions.ts'
import { agentResource, edgeResource, tunnelResource } from './resource-of.ts'
import type { AgentResource, EdgeResource, TunnelResource } from './resources.ts'

export interface ProcessViewInit {
  nodeId: string
  registry: Registry
  sessions: ReadonlySet<TunnelSession>
  book: EdgeBook
  storedEdge: (id: string) => StoredEdgeInUse
  visitorSessions: () => number
  /** A sentence if the store cannot be used. */
  storeProblem: () => string | undefined
}

export class ProcessView {
  readonly #init: ProcessViewInit

  constructor(init: ProcessViewInit) {
    this.#init = init
  }

  answer<Of extends Question['of']>(question: Extract<Question, { of: Of }>): Answers[Of] {
    return this.#answer(question) as Answers[Of] // each case has its own
  }

  #answer(question: Question): Answer {
    switch (question.of) {
      case 'status':
        return this.#status()
      case 'edges':
        return this.#edges(question)
      case 'tunnels':
        return this.#tunnels(question)
      case 'agents':
        return this.#agents(question)
      case 'stored edge':
        return this.#init.storedEdge(question.id)
    }
  }

  #status(): ProcessStatus {
    const { registry, book, sessions, visitorSessions, storeProblem } = this.#init
    const problem = storeProblem()
    const tunnels = { online: 0, unhealthy: 0, in_flight: 0 }
    for (const tunnel of registry.tunnels.values()) {
      tunnels.online++
      if (!tunnel.isWell) tunnels.unhealthy++
      tunnels.in_flight += tunnel.inFlight + tunnel.lasting
    }
    let withoutTunnel = 0
    for (const { groups } of book.known()) {
      if (groups.length > 0 && groups.every(({ selection }) => selection.tunnels.length === 0)) withoutTunnel++
    }
    const agents = new Set<string>()
    for (const session of sessions) if (session.instanceId !== undefined) agents.add(keyOf(session))
    return {
      ...(problem !== undefined && { store_problem: problem }),
      edges: { total: book.size, without_tunnel: withoutTunnel },
      tunnels,
      agents: [...agents],
      connections: sessions.size,
      visitor_sessions: visitorSessions(),
    }
  }

  #edges(wish: PageWish): EdgeResource[] {
    return pageOf(this.#init.book.known(), ({ id }) => id, wish).map(([edge]) =>
      edgeResource(edge!, this.#init.book.has('store', edge!.id)),
    ) // no group is empty
  }

  #tunnels({ edge, ...wish }: PageWish & { edge?: string }): TunnelResource[] {
    const all = edge === undefined ? this.#init.registry.tunnels.values() : this.#tunnelsOf(edge)
    const room = { node: this.#init.nodeId, edgesOf: ({ labels }: Tunnel) => this.#init.book.edgesFor(labels) }
    return pageOf(all, ({ id }) => id, wish).map(([tunnel]) => tunnelResource(tunnel!, room)) // likewise
  }

  #agents(wish: PageWish): AgentResource[] {
    const greeted = [...this.#init.sessions].filter(({ instanceId }) => instanceId !== undefined)
    return pageOf(greeted, keyOf, wish).map((sessions) => agentResource(sessions, this.#init.nodeId))
  }

  #tunnelsOf(name: string): Set<Tunnel> {
    const found = new Set<Tunnel>()
    for (const { id, hosts, groups } of this.#init.book.known()) {
      if (id !== name && !hosts.includes(name)) continue
      for (const { selection } of groups) for (const tunnel of selection.tunnels) found.add(tunnel)
    }
    return found
  }
}

function keyOf({ authtokenId, instanceId = '' }: TunnelSession): string {
  return agentKey({ authtoken_id: authtokenId, instance_id: instanceId })
}
