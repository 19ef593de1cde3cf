// Visitors from h2load (nghttp2): HTTP/2 with prior knowledge, several streams at once on each connection.

import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { quantile } from '../rounds.ts'
import { run } from './run.ts'

export interface H2loadResult {
  requests: number
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  errors: number
}

export async function h2load(
  port: number,
  load: {
    path: string
    headers: Readonly<Record<string, string>>
    connections: number
    streams: number
    seconds: number
  },
): Promise<H2loadResult> {
  const { Host: host = 'localhost', ...headers } = load.headers
  const logFile = join(tmpdir(), `sallyport-h2load-${process.pid}.log`)
  const shape = `-t 1 -c ${load.connections} -m ${load.streams} -D ${load.seconds} --warm-up-time 500ms`
  const args = [
    ...shape.split(' '),
    '--connect-to',
    `127.0.0.1:${port}`,
    '--log-file',
    logFile,
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    `http://${host}${load.path}`,
  ]
  try {
    const { stdout } = await run('h2load', args, { timeout: load.seconds * 1000 + 20_000 })
    const [succeeded, failed] = [/(\d+) succeeded/, /(\d+) failed/].map((each) => Number(each.exec(stdout)?.[1]))
    const statuses = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(stdout)?.slice(1).map(Number) ?? []
    const [ok = 0, ...others] = statuses
    if (ok === 0 || succeeded === undefined || failed === undefined) throw new Error('h2load got no answer')
    // Lines of three columns: when it began, its status, how many microseconds it took.
    const lines = (await readFile(logFile, 'latin1')).trim().split('\n')
    const latencies = lines.map((line) => Number(line.split('\t')[2]) / 1000).toSorted((a, b) => a - b)
    return {
      requests: succeeded,
      requestsPerSecond: Number(/, ([\d.]+) req\/s/.exec(stdout)?.[1]),
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      errors: others.reduce((sum, each) => sum + each, failed),
    }
  } finally {
    await rm(logFile, { force: true })
  }
}
