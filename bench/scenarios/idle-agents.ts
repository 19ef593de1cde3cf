// Idle agents: the relay's cost for each, and the time until all are connected.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { pause } from '../load/endless.ts'
import { anonymousBytes, cpuMicroseconds, endChild, openFilesMax, residentBytes, start } from '../processes.ts'
import { count, fixed } from '../report/markdown.ts'
import type { Scenario } from '../scenario.ts'

const NUMBERS = [1000, 2000, 10_000]
const SPARE_FILES = 200 // the other open files of a process
const SETTLE_MS = 2000 // the garbage of the handshakes

const EMPTY_SERVER = `require('node:http').createServer().listen(0, '127.0.0.1', () => setTimeout(console.log, 500, 'ready'))`

export const idleAgents: Scenario = {
  name: 'idle-agents',
  title: 'Idle agents',
  isCore: true,
  isOneRun: true,
  method: () =>
    `Agents without visitors, each with one session (\`--connections 1\`; the default is two), all held by one process, which shares the
machine with the relay; 100 handshakes under way at once. Memory is resident memory of the relay ${SETTLE_MS / 1000} s after the start, or
after the last has come.
The first thousand also pay for the heap's young generation, which grows to its full size once.`,
  async run(bed, plan) {
    const numbers = (plan.isQuick ? [100] : NUMBERS).filter((number) => number + SPARE_FILES <= openFilesMax())
    const notes = numbers.length < NUMBERS.length && !plan.isQuick ? [FILES_HINT] : []

    const empty = bed.own(await start('empty server', ['-e', EMPTY_SERVER], (line) => line === 'ready'))
    const emptyMemory = memoryOf(empty.pid)
    await empty.end()

    const { relay, publicUrl, authtoken } = await bed.startRelay('idle', {
      edges: '  - { id: edg_idle, hosts: [idle.localhost] }\n',
    })
    await pause(SETTLE_MS)
    const idleBytes = residentBytes(relay.pid)
    const idleMemory = memoryOf(relay.pid)
    const rows = [['0', megabytes(idleBytes), '', '', '']]
    const figures: Record<string, number> = { 'sallyport: idle relay': idleBytes }

    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '../idle-agents.ts'), publicUrl, ...numbers.map(String)],
      { env: { ...process.env, SALLYPORT_AUTHTOKEN: authtoken }, stdio: ['pipe', 'pipe', 'inherit'] },
    )
    bed.own({ name: 'idle agents', pid: child.pid ?? 0, end: () => endChild(child) })
    let [before, beforeBytes, cpuBefore] = [0, idleBytes, cpuMicroseconds(relay.pid)]
    let reached = 0
    for await (const line of createInterface({ input: child.stdout })) {
      const { online, seconds } = JSON.parse(line) as { online: number; seconds: number } // our own program
      const cpu = cpuMicroseconds(relay.pid)
      await pause(SETTLE_MS)
      const bytes = residentBytes(relay.pid)
      const more = online - before
      rows.push([
        count(online),
        megabytes(bytes),
        fixed((bytes - beforeBytes) / more / 1000, 1),
        `${fixed(seconds, 1)} for ${count(more)}`,
        fixed((cpu - cpuBefore) / 1000 / more, 2),
      ])
      figures[`sallyport: bytes at ${online} agents`] = bytes
      if (++reached === numbers.length) break
      ;[before, beforeBytes, cpuBefore] = [online, bytes, cpuMicroseconds(relay.pid)]
      child.stdin.write('\n')
    }
    if (reached < numbers.length) throw new Error('the process that holds the agents has ended')
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
    await relay.end()
    return {
      tables: [{ head: ['agents', 'relay MB', 'kB for each further one', 's to accept', 'ms of CPU for each'], rows }],
      figures,
      notes: [
        `The relay without agents: ${idleMemory}. An empty HTTP server of Node.js: ${emptyMemory}. The rest is pages of files, nearly all of
the Node.js binary: they count for every process that has it open, and as many as happen to be in the page cache.`,
        ...notes,
      ],
    }
  },
}

const FILES_HINT = `This shell lets a process open ${openFilesMax().toLocaleString('en')} files; ${NUMBERS.at(-1)?.toLocaleString('en')} agents want as many. Raise it: \`ulimit -n 20000\`.`

function memoryOf(pid: number): string {
  return `${megabytes(residentBytes(pid))} MB resident, of which ${megabytes(anonymousBytes(pid))} are its own`
}

function megabytes(bytes: number): string {
  return fixed(bytes / 1e6, 0)
}
