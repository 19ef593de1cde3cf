// The lines of the relay's log that the demo shows. Lines of another shape are none of its business.

interface TunnelLine {
  msg: 'tunnel online'
  tunnelId: string
  metadata?: string
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

/** An exchange with the name of the agent that served it; undefined where the relay itself answered. */
export type ServedLine = ExchangeLine & { agent: string | undefined }

export function parseLine(line: string): TunnelLine | ExchangeLine | StartedLine | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as TunnelLine | ExchangeLine | StartedLine // written by our own relay
  } catch {
    return undefined // half a line of a relay that was just stopped
  }
}
