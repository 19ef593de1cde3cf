// Where the time of a request goes in the relay and in the agent, step by step, and the floor under both: the same
// bytes moved by the same runtime without parsing. The table of docs/how-a-byte-travels.md.

import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { perRequest, withCpu } from '../cpu.ts'
import { wrk } from '../load/wrk.ts'
import type { WrkResult } from '../load/wrk.ts'
import { lackOfPerf, nameFileOf, NAMES_FLAG, record, stacksIn } from '../perf.ts'
import { systemMicroseconds } from '../processes.ts'
import { count, fixed } from '../report/markdown.ts'
import { sampledSteps } from '../sampled-steps.ts'
import type { Findings, Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import type { Testbed } from '../testbed.ts'
import { together } from './requests.ts'

const CONNECTIONS = 50
const WARM_SECONDS = 4 // until V8 has compiled the hot code

export const steps: Scenario = {
  name: 'steps',
  title: 'Where the time goes',
  isCore: false,
  isOneRun: true,
  needs: { perf: 'apt-get install linux-perf' },
  lack: lackOfPerf,
  method: ({ rounds, seconds }) =>
    `Small requests at ${CONNECTIONS} connections, first for ${rounds * seconds} s to measure user plus system time from \`/proc\`, then as long again with the
relay, or the agent, sampled by \`perf\` at even steps of its CPU time, all threads. A sample counts for the kernel, for V8's own work, or for
the file of the nearest JavaScript function on its stack, including everything that it calls; a function that the compiler has inlined
counts for the other one. The microseconds are the time of the first part, distributed by the shares of the second.
[How a byte travels](how-a-byte-travels.md) walks through the steps.`,
  async run(bed, plan) {
    const seconds = plan.isQuick ? 1 : plan.rounds * plan.seconds
    const findings = []
    for (const watched of ['relay', 'agent'] as const) findings.push(await profile(bed, watched, seconds))
    return together([...findings, await measureFloors(bed, seconds)])
  },
}

async function profile(bed: Testbed, watched: 'relay' | 'agent', seconds: number): Promise<Findings> {
  const flagsOf = (name: string): string[] => (name === watched ? [NAMES_FLAG] : [])
  const { nginxPort } = await bed.apps()
  const { relay, relayPort, startAgent } = await bed.startRelay(`steps-${watched}`, {
    edges: '  - { id: edg_app, hosts: [app.localhost] }\n',
    nodeFlags: flagsOf('relay'),
  })
  const agent = await startAgent('edge=edg_app', nginxPort, { nodeFlags: flagsOf('agent') })
  const load = { headers: { Host: `app.localhost:${relayPort}` }, connections: CONNECTIONS }
  const visit = (time: number): Promise<WrkResult> =>
    wrk(`http://127.0.0.1:${relayPort}${SMALL_PATH}`, { ...load, seconds: time })

  const one = watched === 'relay' ? relay : agent
  const file = join(bed.folder, `steps-${watched}.perf`)
  try {
    await visit(WARM_SECONDS)
    // First the cost, then its parts: samples have a cost as well.
    const systemBefore = systemMicroseconds(one.pid)
    const { result, cpu } = await withCpu([one], () => visit(seconds))
    const system = systemMicroseconds(one.pid) - systemBefore
    const spent = cpu[one.name] ?? 0
    await Promise.all([visit(seconds), record(one.pid, seconds, file)])
    const sampled = await sampledSteps(stacksIn(file))
    const row = (name: string, share: number, what: string): string[] => [
      name,
      fixed((share * spent) / result.requests, 2),
      `${fixed(100 * share, 0)} %`,
      what,
    ]
    return {
      tables: [
        {
          caption: `**In the ${watched}**`,
          head: ['step', 'µs for each request', 'share', 'what'],
          rows: [
            ...sampled.steps.map(({ name, what, share }) => row(name, share, what)),
            row('together', 1, `at ${count(result.requestsPerSecond)} requests/s`),
          ],
        },
      ],
      figures: {},
      notes: [
        `The ${watched}: ${count(sampled.samples)} samples, ${fixed(100 * sampled.kernelShare, 0)} % of them in the kernel; system time by \`/proc\`: ${fixed((100 * system) / spent, 0)} %.`,
      ],
    }
  } finally {
    await agent.end()
    await relay.end()
    rmSync(nameFileOf(one.pid), { force: true })
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
        caption: '**The floor**: the same requests copied without being parsed, one stream for each connection',
        head: ['what', 'requests/s', 'CPU per request, µs'],
        rows,
      },
    ],
    figures: {},
    notes: [],
  }
}
