// Where the time of a request goes in the relay and in the agent, step by step, and the floor under both: the same bytes
// moved by the same runtime without a look at them. The table of docs/how-a-byte-travels.md.

import { globSync, mkdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

import { timeBySteps } from '../cpu-profile.ts'
import type { CpuProfile } from '../cpu-profile.ts'
import { perRequest, withCpu } from '../cpu.ts'
import { wrk } from '../load/wrk.ts'
import type { WrkResult } from '../load/wrk.ts'
import { mainThreadMicroseconds, pin, pinMainThread } from '../processes.ts'
import { count, fixed } from '../report/markdown.ts'
import type { Findings, Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import type { Testbed } from '../testbed.ts'
import { together } from './requests.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 2
const SAMPLE_MICROS = 500
const CORES = availableParallelism()

export const steps: Scenario = {
  name: 'steps',
  title: 'Where the time goes',
  isCore: false,
  isOneRun: true,
  needs: { taskset: 'apt-get install util-linux' },
  method: ({ rounds, seconds }) =>
    `Small requests at ${CONNECTIONS} connections for ${rounds * seconds} s, with the relay, and then the agent, under \`node --cpu-prof\`, its main thread on a
core of its own (taskset), so that it waits for nobody: the own time of each function, by the file it is in. Main thread only, and only while
requests came. [How a byte travels](how-a-byte-travels.md) walks through the steps.`,
  async run(bed, plan) {
    if (CORES < 2) throw new Error('it needs two cores')
    const seconds = plan.isQuick ? 1 : plan.rounds * plan.seconds
    const findings = []
    for (const watched of ['relay', 'agent'] as const) findings.push(await profile(bed, watched, seconds))
    return together([...findings, await measureFloors(bed, seconds)])
  },
}

async function profile(bed: Testbed, watched: 'relay' | 'agent', seconds: number): Promise<Findings> {
  const folder = join(bed.folder, 'profile', watched)
  mkdirSync(folder, { recursive: true })
  const flags = ['--cpu-prof', `--cpu-prof-interval=${SAMPLE_MICROS}`, `--cpu-prof-dir=${folder}`]
  const flagsOf = (name: string): string[] => (name === watched ? flags : [])

  const { nginx, nginxPort } = await bed.apps()
  const { relay, relayPort, startAgent } = await bed.startRelay(`steps-${watched}`, {
    edges: '  - { id: edg_app, hosts: [app.localhost] }\n',
    nodeFlags: flagsOf('relay'),
  })
  const agent = await startAgent('edge=edg_app', nginxPort, { nodeFlags: flagsOf('agent') })
  const load = { headers: { Host: `app.localhost:${relayPort}` }, connections: CONNECTIONS }
  const visit = (time: number): Promise<WrkResult> =>
    wrk(`http://127.0.0.1:${relayPort}${SMALL_PATH}`, { ...load, seconds: time })

  const [alone, others] = watched === 'relay' ? [relay, agent] : [agent, relay]
  // Its other threads go elsewhere: the profiler's must not wait until the one that it watches has nothing to do.
  pinMainThread(alone.pid, String(CORES - 1))
  for (const { pid } of [others, nginx, process]) pin(pid, `0-${CORES - 2}`) // and wrk, which this process starts
  let result: WrkResult
  let between: Parameters<typeof timeBySteps>[1]
  try {
    await visit(WARM_SECONDS)
    const fromMicros = monotonicMicros()
    const spentBefore = mainThreadMicroseconds(alone.pid)
    result = await visit(seconds)
    between = {
      fromMicros,
      untilMicros: monotonicMicros(),
      spentMicros: mainThreadMicroseconds(alone.pid) - spentBefore,
      sampleMaxMicros: 4 * SAMPLE_MICROS,
    }
  } finally {
    for (const { pid } of [nginx, process]) pin(pid, `0-${CORES - 1}`)
    await agent.end()
    await relay.end()
  }

  const { steps: spent, sampledMicros } = timeBySteps(readProfile(folder), between)
  const total = spent.reduce((sum, { micros }) => sum + micros, 0)
  const each = (micros: number): string => fixed(micros / result.requests, 2)
  return {
    tables: [
      {
        caption: `**In the ${watched}**`,
        head: ['step', 'µs for each request', 'share', 'what'],
        rows: [
          ...spent.map(({ name, what, micros }) => [name, each(micros), `${fixed((100 * micros) / total, 0)} %`, what]),
          ['together', each(total), '', `at ${count(result.requestsPerSecond)} requests/s, while profiled`],
        ],
      },
    ],
    figures: {},
    notes:
      sampledMicros > between.spentMicros
        ? [
            `The ${watched} had to wait for its core: this machine was too busy, and its steps look dearer than they are.`,
          ]
        : [],
  }
}

async function measureFloors(bed: Testbed, seconds: number): Promise<Findings> {
  const { nginxPort } = await bed.apps()
  const plain = await bed.startProgram('splice', 'splice-floor.ts', ['plain', String(nginxPort)])
  const front = await bed.startProgram('front', 'splice-floor.ts', ['front'])
  const back = await bed.startProgram('back', 'splice-floor.ts', ['back', String(front.backPort), String(nginxPort)])
  const rows: string[][] = []
  for (const [name, port, processes] of [
    ['a TCP copy in one Node.js process', plain.port, [plain]],
    ['a TCP copy through our mux, two processes', front.port, [front, back]],
  ] as const) {
    const url = `http://127.0.0.1:${port}${SMALL_PATH}`
    const load = { headers: { Host: 'localhost' }, connections: CONNECTIONS }
    await wrk(url, { ...load, seconds: 1 })
    const { result, cpu } = await withCpu(processes, () => wrk(url, { ...load, seconds }))
    const each = Object.entries(perRequest(cpu, result.requests)).map(
      ([process, micros]) => `${process} ${fixed(micros, 1)}`,
    )
    rows.push([name, count(result.requestsPerSecond), each.join(', ')])
  }
  for (const each of [back, front, plain]) await each.end()
  return {
    tables: [
      {
        caption: '**The floor**: the same requests moved without a look at them, one stream for each connection',
        head: ['what', 'requests/s', 'CPU per request, µs'],
        rows,
      },
    ],
    figures: {},
    notes: [],
  }
}

function readProfile(folder: string): CpuProfile {
  const [file] = globSync(join(folder, '*.cpuprofile'))
  if (file === undefined) throw new Error(`no profile was written to ${folder}`)
  return JSON.parse(readFileSync(file, 'utf8')) as CpuProfile // written by V8
}

function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n)
}
