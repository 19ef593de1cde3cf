// Samples of a process (`perf script -F ip,sym`) as shares of its time by step of the data path. Each sample is a stack,
// and counts once: to the kernel, to V8's own work, or else to the file of the nearest JavaScript function, together
// with the code that it calls (builtins, regular expressions, C++ of Node.js). Pure.
// V8's own profiler is misleading: with few cores its signals come far too often at the end of a system call. It
// attributed 59 % to writes in a relay whose whole system time was a third.

export interface Step {
  name: string
  /** The work of the step. */
  what: string
}

export interface SampledSteps {
  /** In the order of the walk, with their shares of all samples; steps without samples are left out. */
  steps: (Step & { share: number })[]
  /** Of both steps in the kernel. */
  kernelShare: number
  samples: number
}

interface Sample {
  isInKernel: boolean
  /** Of the functions on the stack, the running one first. */
  symbols: readonly string[]
  /** The file of the nearest JavaScript function; undefined if the stack has none. */
  script: string | undefined
}

interface Rule extends Step {
  is: (sample: Sample) => boolean
}

/** The upper half of the addresses. */
const KERNEL_ADDRESS = /^f{4}[\da-f]{12}$/

// libc's and the kernel's: one of the two has its name, even if /proc/kallsyms is closed or libc is stripped.
const WRITE = /^(?:__GI_|__libc_|__x64_sys_|__arm64_sys_|__|ksys_|do_|vfs_)*writev?$|::DoTryWrite\(|^uv__(?:try_)?write/
const GARBAGE_COLLECTOR =
  /^v8::internal::(?:Scaveng|RootScaveng|MarkCompact|Concurrent\w*Mark|Incremental\w*Mark|MinorM|GCTracer|\w*Sweep|Evacuat|Heap::(?:CollectGarbage|PerformGarbageCollection|Scavenge))/
const COMPILER = /^v8::internal::(?:compiler|maglev|baseline|OptimizingCompile|Compiler)/
const HTTP_PARSER = /^(?:llhttp_|node::http_parser::)/

const inFile =
  (pattern: RegExp) =>
  ({ script }: Sample): boolean =>
    script !== undefined && pattern.test(script)

const inPackage =
  (...paths: string[]) =>
  ({ script }: Sample): boolean =>
    paths.some((path) => script?.includes(path))

/** In the order of a request's walk, after the steps that all others cause; the first match counts. */
const RULES: readonly Rule[] = [
  {
    name: 'kernel, in',
    what: 'polling, reading sockets, waking up',
    is: ({ isInKernel, symbols }) => isInKernel && !symbols.some((symbol) => WRITE.test(symbol)),
  },
  { name: 'kernel, out', what: 'writing to sockets', is: ({ isInKernel }) => isInKernel },
  {
    name: 'garbage collection',
    what: 'the garbage of all steps',
    is: ({ symbols }) => symbols.some((symbol) => GARBAGE_COLLECTOR.test(symbol)),
  },
  {
    name: 'compiling',
    what: 'of functions that became hot; passes',
    is: ({ script, symbols }) => script === undefined && symbols.some((symbol) => COMPILER.test(symbol)),
  },
  {
    name: 'llhttp',
    what: 'the strict parser',
    is: ({ script, symbols }) => script === undefined && symbols.some((symbol) => HTTP_PARSER.test(symbol)),
  },
  {
    name: 'native Node.js',
    what: 'libuv, memory, the way into JavaScript',
    is: ({ script }) => script === undefined,
  },
  { name: 'node:http', what: 'heads in and out', is: inFile(/^node:(_http|internal\/http|http)/) },
  {
    name: 'node:net, node:stream',
    what: 'sockets and streams in JavaScript',
    is: inFile(/^node:(net|internal\/stream|stream|_stream|internal\/net)/),
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
  { name: 'node: the rest', what: 'events, timers, promises, buffers', is: inFile(/^node:/) },
  { name: 'other', what: '', is: () => true },
]

/** @param lines of `perf script -F ip,sym`: an address and a name for each function, an empty line between stacks */
export async function sampledSteps(lines: AsyncIterable<string> | Iterable<string>): Promise<SampledSteps> {
  const countOf = new Map<Rule, number>()
  let [samples, inKernel] = [0, 0]
  const add = (frames: readonly string[]): void => {
    if (frames.length === 0) return
    const sample = sampleOf(frames)
    const rule = RULES.find(({ is }) => is(sample))
    if (rule) countOf.set(rule, (countOf.get(rule) ?? 0) + 1)
    if (sample.isInKernel) inKernel++
    samples++
  }
  let frames: string[] = []
  for await (const line of lines) {
    const frame = line.trim()
    if (frame !== '') {
      frames.push(frame)
    } else {
      add(frames)
      frames = []
    }
  }
  add(frames)
  if (samples === 0) throw new Error('no samples were taken')
  const steps = RULES.flatMap((rule) => {
    const count = countOf.get(rule)
    return count === undefined ? [] : [{ name: rule.name, what: rule.what, share: count / samples }]
  })
  return { steps, kernelShare: inKernel / samples, samples }
}

function sampleOf(frames: readonly string[]): Sample {
  const [running = ''] = frames
  const symbols = frames.map((frame) => frame.slice(frame.indexOf(' ') + 1))
  const nearest = symbols.find((symbol) => symbol.startsWith('JS:'))
  return {
    isInKernel: KERNEL_ADDRESS.test(running.split(' ', 1)[0] ?? ''),
    symbols,
    // JS:*'parseHead file:///srv/server/dist/forward/response-parser.js:268:19
    script: nearest?.slice(nearest.lastIndexOf(' ') + 1),
  }
}
