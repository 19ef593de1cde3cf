// A profile of V8 (`node --cpu-prof`) as time by step of the data path: each function's own time, by the file it is in.
// What libuv does between two callbacks (polling, reading sockets, and llhttp, which is fed from there) V8 takes for idle
// time, so it is in no profile: it is what the thread has spent beyond it. Pure.

export interface CpuProfile {
  nodes: readonly { id: number; callFrame: { functionName: string; url: string } }[]
  /** Microseconds of the machine's monotonic clock, which process.hrtime() tells, too. */
  startTime: number
  samples: readonly number[]
  timeDeltas: readonly number[]
}

export interface Step {
  name: string
  /** What it does there. */
  what: string
}

interface Rule extends Step {
  is: (url: string, functionName: string) => boolean
}

const inPackage =
  (...paths: string[]) =>
  (url: string): boolean =>
    paths.some((path) => url.includes(path))

/** In the order of a request's walk; the first that matches counts. */
const RULES: readonly Rule[] = [
  {
    name: 'kernel, out',
    what: 'writing to sockets',
    is: (url, name) => url === '' && /^(writev|write\w+|shutdown)$/.test(name),
  },
  {
    name: 'garbage collection',
    what: 'what all steps leave behind',
    is: (url, name) => url === '' && name === '(garbage collector)',
  },
  {
    name: 'node:http',
    what: 'heads in and out, the strict parser',
    is: (url) => /^node:(_http|internal\/http|http)/.test(url),
  },
  {
    name: 'node:net, node:stream',
    what: 'sockets and streams in JavaScript',
    is: (url) => /^node:(net|internal\/stream|stream|_stream|internal\/net)/.test(url),
  },
  { name: 'listener', what: 'admission', is: inPackage('/server/dist/listener/') },
  { name: 'edge', what: 'host → edge, path → route', is: inPackage('/server/dist/edge/') },
  { name: 'exchange', what: 'the request as one object', is: inPackage('/server/dist/exchange/') },
  { name: 'policy', what: 'actions', is: inPackage('/server/dist/policy/') },
  { name: 'backend', what: 'the choice of a tunnel', is: inPackage('/server/dist/backend/') },
  { name: 'forward', what: 'heads, the pool of streams, the answer parsed', is: inPackage('/server/dist/forward/') },
  { name: 'tunnel', what: 'streams opened and counted', is: inPackage('/server/dist/tunnel/') },
  { name: 'agent', what: 'the dial and the reply', is: inPackage('/agent/dist/') },
  {
    name: 'the rest of the relay',
    what: 'counting and logging',
    is: inPackage('/server/dist/', '/prom-client/', '/pino'),
  },
  { name: 'mux', what: 'frames, windows, turns', is: inPackage('/protocol/dist/yamux/') },
  {
    name: 'splice and carrier',
    what: 'bytes between streams, messages to the WebSocket',
    is: inPackage('/protocol/dist/'),
  },
  { name: 'ws', what: 'WebSocket frames', is: inPackage('/node_modules/ws/', '/node_modules/bufferutil/') },
  {
    name: 'node: the rest',
    what: 'events, timers, promises, buffers',
    is: (url) => url.startsWith('node:') || url === '',
  },
  { name: 'other', what: '', is: () => true },
]

export interface Spent {
  /** In the order of the walk; steps without time are left out. */
  steps: (Step & { micros: number })[]
  /** Of the profile alone. More than the thread has spent where it had to wait for its core. */
  sampledMicros: number
}

const KERNEL_IN: Step = { name: 'kernel, in', what: 'polling and reading sockets, llhttp: what is in no profile' }

/**
 * The time of each step between two moments.
 * @param between.spentMicros CPU time of the thread between the two
 * @param between.sampleMaxMicros what one sample stands for at most
 */
export function timeBySteps(
  profile: CpuProfile,
  between: { fromMicros: number; untilMicros: number; spentMicros: number; sampleMaxMicros: number },
): Spent {
  const stepOf = new Map<number, Step>()
  for (const { id, callFrame } of profile.nodes) {
    const { url, functionName } = callFrame
    if (url === '' && ['(idle)', '(root)', '(program)'].includes(functionName)) continue
    const rule = RULES.find(({ is }) => is(url, functionName))
    if (rule) stepOf.set(id, rule)
  }
  const spent = new Map<Step, number>()
  let sampledMicros = 0
  let at = profile.startTime
  for (const [index, node] of profile.samples.entries()) {
    at += profile.timeDeltas[index] ?? 0
    const step = stepOf.get(node)
    if (!step || at < between.fromMicros || at > between.untilMicros) continue
    // A sample stands for the time until the next one, unless the thread was kept from running meanwhile.
    const micros = Math.min(profile.timeDeltas[index + 1] ?? 0, between.sampleMaxMicros)
    spent.set(step, (spent.get(step) ?? 0) + micros)
    sampledMicros += micros
  }
  const steps = RULES.flatMap(({ name, what }, index) => {
    const micros = spent.get(RULES[index]!) // below the length
    return micros === undefined ? [] : [{ name, what, micros }]
  })
  return {
    steps: [{ ...KERNEL_IN, micros: Math.max(0, between.spentMicros - sampledMicros) }, ...steps],
    sampledMicros,
  }
}
