// Bulk from curl: one file down or up, many at once, or one after the other until the caller ends it.

import { spawn } from 'node:child_process'

import { endChild } from '../processes.ts'
import { run } from './run.ts'

type Headers = Readonly<Record<string, string>>

const TRANSFER_MAX_SECONDS = 60

/** Bytes per second of one download. */
export function download(url: string, headers: Headers): Promise<number> {
  return transfer(['-w', '%{http_code} %{speed_download}', ...flags(headers), url])
}

/** Bytes per second of one upload. */
export function upload(url: string, headers: Headers, file: string): Promise<number> {
  return transfer(['-w', '%{http_code} %{speed_upload}', '-T', file, '-H', 'Expect:', ...flags(headers), url])
}

/** Downloads on separate connections, all at once. Returns the seconds of each. */
export async function downloadAtOnce(url: string, headers: Headers, count: number): Promise<number[]> {
  const args = ['--parallel', '--parallel-immediate', '--parallel-max', String(count), '--no-progress-meter']
  const format = ['-w', '%{http_code} %{time_total} %{size_download}\n', ...flags(headers), `${url}?[1-${count}]`]
  const lines = (await curl([...args, ...format])).trim().split('\n')
  const results = lines.map((line) => line.split(' '))
  const bad = results.find(([status]) => status !== '200')
  if (bad || results.length !== count) throw new Error(`curl got ${bad?.[0] ?? 'too few answers'}: ${url}`)
  return results.map(([, seconds]) => Number(seconds))
}

/** One download after the other on one connection, as fast as they come, until `end` is called. */
export function keepDownloading(url: string, headers: Headers): { end: () => Promise<void> } {
  const child = spawn('curl', ['-s', '-o', '/dev/null', ...flags(headers), `${url}?[1-100000]`], { stdio: 'ignore' })
  return { end: () => endChild(child) }
}

async function transfer(args: string[]): Promise<number> {
  const [status, speed] = (await curl(args)).split(' ')
  if (status !== '200') throw new Error(`curl got ${status}: ${args.at(-1)}`)
  return Number(speed)
}

async function curl(args: string[]): Promise<string> {
  const limit = ['--max-time', String(TRANSFER_MAX_SECONDS)]
  const { stdout } = await run('curl', ['-s', '-o', '/dev/null', ...limit, ...args])
  return stdout
}

function flags(headers: Headers): string[] {
  return Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
}
