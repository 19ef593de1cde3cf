// What a long or narrow link between agent and relay does to visitors: the throughput of one stream over a long one
// beside a plain TCP copy over the same link, and how long a small request takes while a download fills a narrow one.
// Run: node bench/link.ts [--quick]

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { freePort, start } from './processes.ts'
import type { Running } from './processes.ts'

const root = join(import.meta.dirname, '..')
const RELAY = join(root, 'packages/server/src/main.ts')
const AGENT = join(root, 'packages/agent/src/main.ts')
const PROXY = join(root, 'bench/delay-proxy.ts')

const HOST = 'app.localhost'
const BLOCK = Buffer.alloc(64 * 1024, 'x')
const SMALL = 'Hello, world\n' // 13 bytes

interface Link {
  roundTripMs: number
  /** Undefined: as wide as the machine. */
  mbit: number | undefined
}

const { values: flags } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
const SECONDS = flags.quick ? 3 : 10

/** What /up has taken so far. */
let received = 0
const running: Running[] = []
const folder = await mkdtemp(join(tmpdir(), 'sallyport-link-'))
try {
  await main()
} catch (error) {
  console.error(error)
  process.exitCode = 1
} finally {
  for (const each of running.toReversed()) await each.end()
  await rm(folder, { recursive: true, force: true })
}
process.exit() // the app's connections are of no more use

async function main(): Promise<void> {
  const appPort = await startApp()
  const relayPort = await freePort()
  const publicUrl = `http://localhost:${relayPort}`
  const config = join(folder, 'relay.yml')
  writeFileSync(
    config,
    JSON.stringify({
      domain: 'localhost',
      public_url: publicUrl,
      listen: { http: `127.0.0.1:${relayPort}`, admin: '127.0.0.1:0' },
      store: 'sqlite:relay.db',
      log: { level: 'info', format: 'json' },
      edges: [{ id: 'edg_app', hosts: [HOST] }],
    }),
  )
  await run('relay', [RELAY, 'start', '--config', config], 'relay started')
  const token = execFileSync(process.execPath, [RELAY, 'authtoken', 'create', '--config', config], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()

  console.log('one stream, agent → relay → visitor, beside a plain TCP copy over the same link\n')
  console.log('| link | plain TCP, MB/s | down, MB/s | ratio | up, MB/s | ratio |\n|---|---:|---:|---:|---:|---:|')
  for (const link of [
    { roundTripMs: 20, mbit: 200 },
    { roundTripMs: 100, mbit: 100 },
    { roundTripMs: 100, mbit: 400 },
    { roundTripMs: 100, mbit: undefined },
  ]) {
    const plain = await overLink(appPort, link, downloadRate)
    const [down, up] = await withAgent(relayPort, token, appPort, link, async () => [
      await downloadRate(relayPort),
      await uploadRate(relayPort),
    ])
    const mb = (rate: number): string => (rate / 1e6).toFixed(1)
    console.log(
      `| ${nameOf(link)} | ${mb(plain)} | ${mb(down!)} | ${(down! / plain).toFixed(2)} | ${mb(up!)} | ${(up! / plain).toFixed(2)} |`,
    )
  }

  console.log(`\na ${SMALL.length}-byte answer while a download fills the link, ms\n`)
  console.log(
    '| link | downloads | alone p50 | p50 | p99 | worst | download MB/s |\n|---|---:|---:|---:|---:|---:|---:|',
  )
  const narrow = { roundTripMs: 25, mbit: 20 }
  for (const downloads of [1, 4]) {
    await withAgent(relayPort, token, appPort, narrow, async () => {
      const alone = await smallLatencies(relayPort, 1)
      const ends = Array.from({ length: downloads }, () => download(relayPort))
      await pause(2000) // until the window has found its size
      const before = ends.reduce((sum, each) => sum + each.received(), 0)
      const started = performance.now()
      const busy = await smallLatencies(relayPort, SECONDS)
      const rate = (ends.reduce((sum, each) => sum + each.received(), 0) - before) / (performance.now() - started) / 1e3
      for (const { end } of ends) end()
      const at = (all: number[], part: number): string => all[Math.floor((all.length - 1) * part)]!.toFixed(0)
      console.log(
        `| ${nameOf(narrow)} | ${downloads} | ${at(alone, 0.5)} | ${at(busy, 0.5)} | ${at(busy, 0.99)} | ${at(busy, 1)} | ${rate.toFixed(2)} |`,
      )
    })
  }
}

/** Endless on /down, counts on /up, 13 bytes elsewhere. In this process: it costs the same in every row. */
async function startApp(): Promise<number> {
  const app = createServer((request, response) => {
    if (request.url === '/up') {
      let bytes = 0
      request.on('data', (chunk: Buffer) => {
        received += chunk.length
        bytes += chunk.length
      })
      request.on('end', () => response.end(String(bytes)))
      return
    }
    if (request.url !== '/down') return void response.end(SMALL)
    const fill = (): void => {
      while (!response.destroyed && response.write(BLOCK));
    }
    response.on('drain', fill)
    fill()
  })
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  return (app.address() as AddressInfo).port // it listens on a port
}

async function withAgent<T>(
  relayPort: number,
  token: string,
  appPort: number,
  link: Link,
  measure: () => Promise<T>,
): Promise<T> {
  return overLink(relayPort, link, async (port) => {
    const agent = await run(
      'agent',
      [AGENT, 'tunnel', '--label', 'edge=edg_app', `http://127.0.0.1:${appPort}`],
      'tunnel online',
      {
        ...process.env,
        SALLYPORT_AUTHTOKEN: token,
        SALLYPORT_SERVER: `http://127.0.0.1:${port}`,
        XDG_CONFIG_HOME: folder,
      },
    )
    await pause(500) // its first pings are out
    try {
      return await measure()
    } finally {
      await end(agent)
    }
  })
}

async function overLink<T>(target: number, link: Link, measure: (port: number) => Promise<T>): Promise<T> {
  const width = link.mbit === undefined ? [] : ['--mbit', String(link.mbit)]
  const proxy = await run(
    'link',
    [PROXY, '--to', String(target), '--rtt', String(link.roundTripMs), ...width],
    '"port"',
  )
  try {
    return await measure((JSON.parse(proxy.readyLine) as { port: number }).port) // printed by our own proxy
  } finally {
    await end(proxy)
  }
}

async function downloadRate(port: number): Promise<number> {
  const { received: sofar, end: stop } = download(port)
  await pause(2500) // the window grows
  const [bytes, started] = [sofar(), performance.now()]
  await pause(SECONDS * 500)
  const rate = (sofar() - bytes) / ((performance.now() - started) / 1000)
  stop()
  return rate
}

/** By hand, so that the reader costs nothing. */
function download(port: number): { received: () => number; end: () => void } {
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET /down HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
  socket.on('error', () => {}).resume()
  return { received: () => socket.bytesRead, end: () => socket.destroy() }
}

async function uploadRate(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST /up HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000000000000\r\n\r\n`)
  const fill = (): void => {
    while (!socket.destroyed && socket.write(BLOCK));
  }
  socket.on('error', () => {}).on('drain', fill)
  fill()
  await pause(2500)
  const [bytes, started] = [received, performance.now()]
  await pause(SECONDS * 500)
  const rate = (received - bytes) / ((performance.now() - started) / 1000)
  socket.destroy()
  return rate
}

/** One small request after the other on one connection, 20 ms apart; sorted milliseconds. */
async function smallLatencies(port: number, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const latencies: number[] = []
  const until = performance.now() + seconds * 1000
  while (performance.now() < until) {
    const started = performance.now()
    const request = httpRequest({ port, host: '127.0.0.1', path: '/small', agent, headers: { host: HOST } })
    request.end()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    await once(response, 'end')
    latencies.push(performance.now() - started)
    await pause(20)
  }
  agent.destroy()
  return latencies.toSorted((a, b) => a - b)
}

async function run(
  name: string,
  args: string[],
  readyWords: string,
  env?: NodeJS.ProcessEnv,
): Promise<Running & { readyLine: string }> {
  const child = await start(name, args, (line) => line.includes(readyWords), env)
  running.push(child)
  return child
}

async function end(child: Running): Promise<void> {
  running.splice(running.indexOf(child), 1)
  await child.end()
}

function nameOf({ roundTripMs, mbit }: Link): string {
  return `${roundTripMs} ms${mbit === undefined ? '' : `, ${mbit} Mbit/s`}`
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
