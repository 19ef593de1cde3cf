// One measurement each: small requests with wrk, bulk with curl, and what the processes of the chain spent meanwhile.

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { cpuMicroseconds } from './processes.ts'
import type { Running } from './processes.ts'

export interface Small {
  requestsPerSecond: number
  p50Ms: number
  p99Ms: number
  errors: number
  /** CPU per request by process name, µs. */
  cpu: Record<string, number>
}

export interface Bulk {
  downMbPerSecond: number
  upMbPerSecond: number
}

interface Target {
  small: string
  bulk: string
  upload: string
  headers: Record<string, string>
  processes: readonly Running[]
}

const CONNECTIONS = 50

export function runSmall(target: Target, seconds: number): Small {
  const headers = Object.entries(target.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  wrk(['-c', String(CONNECTIONS), '-d', '1s', ...headers, target.small]) // warm
  const before = target.processes.map(({ pid }) => cpuMicroseconds(pid))
  const output = wrk(['--latency', '-c', String(CONNECTIONS), '-d', `${seconds}s`, ...headers, target.small])
  const after = target.processes.map(({ pid }) => cpuMicroseconds(pid))
  const requests = Number(/(\d+) requests in/.exec(output)?.[1])
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1]
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]),
    p50Ms: milliseconds(/50%\s+([\d.]+\w+)/.exec(output)?.[1]),
    p99Ms: milliseconds(/99%\s+([\d.]+\w+)/.exec(output)?.[1]),
    errors: Number(bad ?? 0) + (socketErrors?.slice(1).reduce((sum, each) => sum + Number(each), 0) ?? 0),
    cpu: perRequest(target.processes, before, after, requests),
  }
}

/** Both ends of some tunnels are the same program; their costs are added up. */
function perRequest(
  processes: readonly Running[],
  before: readonly number[],
  after: readonly number[],
  requests: number,
): Record<string, number> {
  const cpu: Record<string, number> = {}
  for (const [index, { name }] of processes.entries()) {
    cpu[name] = (cpu[name] ?? 0) + ((after[index] ?? 0) - (before[index] ?? 0)) / requests
  }
  return cpu
}

const uploadFile = join(tmpdir(), `sallyport-upload-${process.pid}`)

export function runBulk(target: Target, megabytes: number, uploadHeaders: Record<string, string>): Bulk {
  writeFileSync(uploadFile, Buffer.alloc(megabytes * 1024 * 1024, 'x'))
  try {
    const down = median(() => curl(['-w', '%{http_code} %{speed_download}', ...flags(target.headers), target.bulk]))
    const up = median(() =>
      curl([
        '-w',
        '%{http_code} %{speed_upload}',
        '-T',
        uploadFile,
        '-H',
        'Expect:',
        ...flags(uploadHeaders),
        target.upload,
      ]),
    )
    return { downMbPerSecond: down / 1e6, upMbPerSecond: up / 1e6 }
  } finally {
    writeFileSync(uploadFile, '')
  }
}

// One transfer takes a moment only; what its windows and the heap had to learn first should not decide.
const TRANSFERS = 5

function median(measure: () => number): number {
  const values = Array.from({ length: TRANSFERS }, measure).toSorted((a, b) => a - b)
  return values[Math.floor(TRANSFERS / 2)] ?? 0
}

function flags(headers: Record<string, string>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
}

function wrk(args: string[]): string {
  return execFileSync('wrk', ['-t', '1', ...args], { encoding: 'utf8' })
}

function curl(args: string[]): number {
  const output = execFileSync('curl', ['-s', '-o', '/dev/null', '--max-time', '60', ...args], { encoding: 'utf8' })
  const [status, speed] = output.split(' ')
  if (status !== '200') throw new Error(`curl got ${status}: ${args.at(-1)}`)
  return Number(speed)
}

function milliseconds(text = ''): number {
  const number = Number.parseFloat(text)
  return text.endsWith('us') ? number / 1000 : text.endsWith('ms') ? number : number * 1000
}
