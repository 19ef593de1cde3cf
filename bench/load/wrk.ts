// Visitors from wrk: as many requests as the chain takes, over a fixed number of connections.

import { run } from './run.ts'

export interface WrkResult {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  errors: number
}

export async function wrk(
  url: string,
  load: { headers: Readonly<Record<string, string>>; connections: number; seconds: number },
): Promise<WrkResult> {
  const headers = Object.entries(load.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const args = ['-t', '1', '--latency', '-c', String(load.connections), '-d', `${load.seconds}s`, ...headers, url]
  const { stdout } = await run('wrk', args, { timeout: load.seconds * 1000 + 20_000 })
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1]
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1])
  if (!(requests > 0)) throw new Error('wrk got no answer')
  return {
    requests,
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Ms: milliseconds(/50%\s+([\d.]+\w+)/.exec(stdout)?.[1]),
    p99Ms: milliseconds(/99%\s+([\d.]+\w+)/.exec(stdout)?.[1]),
    errors: Number(bad ?? 0) + (socketErrors?.slice(1).reduce((sum, each) => sum + Number(each), 0) ?? 0),
  }
}

function milliseconds(text = ''): number {
  const number = Number.parseFloat(text)
  return text.endsWith('us') ? number / 1000 : text.endsWith('ms') ? number : number * 1000
}
