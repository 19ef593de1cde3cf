// The lines of the relay's log that the demo reads. It ignores all other lines.

/** One session of an agent that carries a tunnel, or no longer does. An agent has several sessions. */
interface TunnelLine {
  msg: 'tunnel online' | 'tunnel has a further connection' | 'tunnel leaving'
  sessionId: string
  tunnelId: string
  metadata?: string
}

interface SessionEndLine {
  msg: 'agent disconnected' | 'agent session ended'
  sessionId: string
}

interface ExchangeLine {
  msg: 'exchange'
  method: string
  host: string
  path: string
  status: number
  tunnelId?: string
  user?: string
  code?: string
}

interface StartedLine {
  msg: 'relay started'
}

export type RelayLine = TunnelLine | SessionEndLine | ExchangeLine | StartedLine

/** An exchange with the name of its agent; undefined if the relay itself answered. */
export type ServedLine = ExchangeLine & { agent: string | undefined }

export function parseLine(line: string): RelayLine | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as RelayLine // written by our own relay
  } catch {
    return undefined // half a line of a relay that was just stopped
  }
}
