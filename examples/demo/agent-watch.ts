// Which agents are online, by the relay's log: the demo's, and those started by hand. Their names are those in
// --metadata.

import type { RelayLine } from './relay-line.ts'

interface Watched {
  name: string
  /** The sessions that carry the tunnel; without any the tunnel has ended. */
  sessions: Set<string>
}

export class AgentWatch {
  readonly #tunnels = new Map<string, Watched>()
  readonly #onChange: (name: string, isOnline: boolean) => void

  /** @param onChange called when the first tunnel of a name has come, and when the last one has gone */
  constructor(onChange: (name: string, isOnline: boolean) => void) {
    this.#onChange = onChange
  }

  /** The names of the agents online. */
  get online(): string[] {
    const running = [...this.#tunnels.values()].filter(({ sessions }) => sessions.size > 0)
    return [...new Set(running.map(({ name }) => name))].toSorted()
  }

  /** The agent of a tunnel, also of a former one: the line of an exchange may come after its agent has gone. */
  nameOf(tunnelId: string): string | undefined {
    return this.#tunnels.get(tunnelId)?.name
  }

  read(line: RelayLine): void {
    switch (line.msg) {
      case 'tunnel online': {
        const name = line.metadata ?? line.tunnelId
        const isNews = !this.online.includes(name)
        this.#tunnels.set(line.tunnelId, { name, sessions: new Set([line.sessionId]) })
        if (isNews) this.#onChange(name, true)
        return
      }
      case 'tunnel has a further connection':
        this.#tunnels.get(line.tunnelId)?.sessions.add(line.sessionId)
        return
      case 'tunnel leaving': {
        const tunnel = this.#tunnels.get(line.tunnelId)
        if (tunnel) this.#remove(tunnel, line.sessionId)
        return
      }
      case 'agent disconnected':
      case 'agent session ended':
        for (const tunnel of this.#tunnels.values()) this.#remove(tunnel, line.sessionId)
        return
      case 'exchange':
      case 'relay started':
        return
    }
  }

  #remove(tunnel: Watched, sessionId: string): void {
    if (tunnel.sessions.delete(sessionId) && !this.online.includes(tunnel.name)) this.#onChange(tunnel.name, false)
  }
}
