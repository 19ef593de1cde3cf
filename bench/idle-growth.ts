// The cost of idle agents over time: the relay's resident memory each minute, and the CPU for their pings. Exits with 1
// if 10,000 of them need more than 300 MB at the end.
//
// node bench/idle-growth.ts [AGENTS] [MINUTES] default: 10,000 for an hour

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { pause } from './load/endless.ts'
import { cpuMicroseconds, endChild, residentBytes } from './processes.ts'
import { Testbed } from './testbed.ts'

const AGENTS_PER_PROCESS = 2500 // more of them starve each other, and reconnect
const GOAL = { agents: 10_000, megabytes: 300 }

const agents = Number(process.argv[2] ?? GOAL.agents)
const minutes = Number(process.argv[3] ?? 60)
if (!(agents > 0 && minutes > 0)) {
  console.error('node bench/idle-growth.ts [AGENTS] [MINUTES]')
  process.exit(2)
}

const bed = await Testbed.create([])
const end = (): void => void bed.close().then(() => process.exit(1))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)

try {
  const megabytes = await grow()
  if (agents >= GOAL.agents && megabytes > GOAL.megabytes) process.exitCode = 1
} finally {
  await bed.close()
}

/** Returns the resident megabytes at the end. */
async function grow(): Promise<number> {
  const { relay, publicUrl, authtoken } = await bed.startRelay('idle', {
    edges: '  - { id: edg_idle, hosts: [idle.localhost] }\n',
  })
  for (let held = 0; held < agents; held += AGENTS_PER_PROCESS) {
    await hold(publicUrl, authtoken, Math.min(AGENTS_PER_PROCESS, agents - held))
  }
  const started = performance.now()
  const cpuBefore = cpuMicroseconds(relay.pid)
  console.log(`${agents} agents are online: ${megabytesOf(relay.pid)} MB`)
  for (let minute = 1; minute <= minutes; minute++) {
    await pause(started + minute * 60_000 - performance.now())
    const cpu = (cpuMicroseconds(relay.pid) - cpuBefore) / (minute * 60e6)
    console.log(`${minute} min: ${megabytesOf(relay.pid)} MB, ${(cpu * 100).toFixed(2)} % of a core`)
  }
  return megabytesOf(relay.pid)
}

/** Starts so many agents in a separate process that ends with the testbed. */
async function hold(publicUrl: string, authtoken: string, number: number): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'idle-agents.ts'), publicUrl, String(number)], {
    env: { ...process.env, SALLYPORT_AUTHTOKEN: authtoken },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  bed.own({ name: 'idle agents', pid: child.pid ?? 0, end: () => endChild(child) })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  if (!(await lines.next()).done) return // all of them are online
  throw new Error('the process that holds the agents has ended')
}

function megabytesOf(pid: number): number {
  return Math.round(residentBytes(pid) / 1e6)
}
