// perf(1) of Linux: samples of a process at even steps of its CPU time. Node.js writes the names of compiled functions
// to a file that perf reads (`--perf-basic-prof`).

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

import { run } from './load/run.ts'

/** Makes Node.js tell perf the names of JavaScript functions, in the file of `nameFileOf()`. */
export const NAMES_FLAG = '--perf-basic-prof'

const EVENT = 'cpu-clock' // a timer, so virtual machines without counters have it as well
// Each costs the process some microseconds: 8000 a second make a relay two fifths slower. A prime, so that no timer
// keeps step.
const SAMPLES_PER_SECOND = 1999

/** Why perf cannot watch here, or undefined. */
export function lackOfPerf(): string | undefined {
  // Without the right to see the kernel, perf would silently leave it out, and everything else would look more
  // expensive.
  const { status } = spawnSync('perf', ['record', '--quiet', '-e', `${EVENT}:k`, '-o', '/dev/null', '--', 'true'])
  if (status === 0) return undefined
  return 'perf may not watch the kernel here: run it as root, or sysctl kernel.perf_event_paranoid=1'
}

/** The file to which Node.js writes the names for perf. Only this program removes it. */
export function nameFileOf(pid: number): string {
  return `/tmp/perf-${pid}.map`
}

/** Samples all threads of a process into a file. */
export async function record(pid: number, seconds: number, file: string): Promise<void> {
  const sampling = ['-e', EVENT, '-F', String(SAMPLES_PER_SECOND), '-g', '--pid', String(pid)]
  const args = ['record', '--quiet', '--no-buildid-cache', ...sampling, '-o', file, '--', 'sleep', String(seconds)]
  await run('perf', args, { timeout: seconds * 1000 + 20_000 })
}

/** The stacks in such a file, line by line: an address and a name for each function, an empty line between stacks. */
export async function* stacksIn(file: string): AsyncGenerator<string> {
  const child = spawn('perf', ['script', '--no-inline', '-i', file, '-F', 'ip,sym'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = once(child, 'close')
  try {
    yield* createInterface({ input: child.stdout })
    const [code] = (await ended) as [number | null] // of a child process
    if (code !== 0) throw new Error(`perf script ended with ${code}`)
  } finally {
    child.kill()
  }
}
