// `pnpm bench`: what a request costs through Sallyport, beside nginx as a plain reverse proxy without a tunnel.
// Interleaved rounds in one run, because machines are noisy and only ratios of one run mean something.
// Writes docs/performance.md. Options: --rounds N, --seconds N, --quick (no page written).

import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { Browser } from '@sallyport/example-demo/browser'

import { COMPETITORS, missing } from './competitors.ts'
import { runBulk, runSmall } from './measure.ts'
import type { Bulk, Small } from './measure.ts'
import { freePort, residentBytes, start, startNginx } from './processes.ts'
import type { Running } from './processes.ts'
import { publishInto } from './publish.ts'
import { page, table } from './report.ts'
import type { Results } from './report.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    quick: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(flags.rounds)
const SECONDS = Number(flags.seconds)
const BULK_MB = 100
const IDLE_SESSIONS = 1000
const root = join(import.meta.dirname, '..')

for (const [tool, how] of [
  ['nginx', 'apt-get install nginx'],
  ['wrk', 'apt-get install wrk'],
  ['curl', 'apt-get install curl'],
] as const) {
  if (spawnSync('which', [tool]).status !== 0) {
    console.error(`The benchmark needs ${tool}: ${how}`)
    process.exit(1)
  }
}

/** An HTTP server that does nothing, with a worker thread that does nothing: what Node.js itself takes for our shape. */
const EMPTY_SERVER = `new (require('node:worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true })
require('node:http').createServer().listen(0, '127.0.0.1', () => setTimeout(console.log, 500, 'ready'))`

export interface Chain {
  name: string
  /** URL of the 13-byte file; `bulk` and `upload` beside it. */
  small: string
  bulk: string
  upload: string
  headers: Record<string, string>
  processes: Running[]
}

const folder = await mkdtemp(join(tmpdir(), 'sallyport-bench-'))
const { relay: RELAY, agent: AGENT } = publishInto(join(folder, 'published'))
const running: Running[] = []
const own = <T extends Running>(each: T): T => {
  running.push(each)
  return each
}
try {
  await main()
} finally {
  for (const each of running.toReversed()) await each.end()
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const [appPort, proxyPort, relayPort, providerPort, adminPort] = await Promise.all(
    Array.from({ length: 5 }, freePort),
  )
  const www = join(folder, 'www')
  execFileSync('mkdir', ['-p', www])
  writeFileSync(join(www, 'small.txt'), 'Hello, world\n')
  execFileSync('dd', ['if=/dev/urandom', `of=${join(www, 'bulk.bin')}`, 'bs=1M', `count=${BULK_MB}`], {
    stdio: 'ignore',
  })
  writeFileSync(join(www, 'index.html'), 'ready\n')

  const sink = own(await start('upload sink', [join(root, 'bench/upload-sink.ts')], (line) => line.startsWith('{')))
  const sinkPort = Number((JSON.parse(sink.readyLine) as { port: number }).port) // printed by our own sink
  const app = own(await startNginx('app', join(folder, 'app'), Number(appPort), { server: `root ${www};` }))
  const proxy = own(
    await startNginx('nginx proxy_pass', join(folder, 'proxy'), Number(proxyPort), {
      http: `upstream app { server 127.0.0.1:${appPort}; keepalive 64; }
upstream sink { server 127.0.0.1:${sinkPort}; keepalive 64; }`,
      server: `location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
location /upload { proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection ""; }`,
    }),
  )

  const publicUrl = `http://localhost:${relayPort}`
  const provider = own(
    await start(
      'identity provider',
      [
        join(root, 'examples/demo/identity-provider-main.ts'),
        JSON.stringify({
          port: providerPort,
          users: [{ username: 'ada', password: 'lovelace', claims: { name: 'Ada', email: 'ada@example.com' } }],
          clients: [
            { client_id: 'bench', client_secret: 'bench-secret', redirect_uris: [`${publicUrl}/oidc/callback`] },
          ],
        }),
      ],
      (line) => line.startsWith('{'),
    ),
  )
  const issuer = (JSON.parse(provider.readyLine) as { issuer: string }).issuer // printed by our own provider
  relayFile('relay', Number(relayPort), Number(adminPort), issuer)
  const relay = own(await startRelay())
  const token = execFileSync(process.execPath, [RELAY, 'authtoken', 'create', '--config', join(folder, 'relay.yml')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  }).trim()
  const env = { ...process.env, SALLYPORT_AUTHTOKEN: token, SALLYPORT_SERVER: publicUrl, XDG_CONFIG_HOME: folder }
  const agent = own(await startAgent('edge=edg_app', Number(appPort), env))
  const sinkAgent = own(await startAgent('edge=edg_sink', sinkPort, env))

  const memory = await measureMemory(relayFile('memory', await freePort(), await freePort(), issuer), env)
  const cookie = await signIn(`http://signed.localhost:${relayPort}/small.txt`)
  const at = (host: string, headers: Record<string, string> = {}): Omit<Chain, 'name' | 'processes'> => ({
    small: `http://127.0.0.1:${relayPort}/small.txt`,
    bulk: `http://127.0.0.1:${relayPort}/bulk.bin`,
    upload: `http://127.0.0.1:${relayPort}/upload`,
    headers: { Host: `${host}:${relayPort}`, ...headers },
  })
  const direct = (port = 0, uploadPort = 0): Omit<Chain, 'name' | 'processes'> => ({
    small: `http://127.0.0.1:${port}/small.txt`,
    bulk: `http://127.0.0.1:${port}/bulk.bin`,
    upload: `http://127.0.0.1:${uploadPort}/upload`,
    headers: { Host: 'localhost' },
  })
  const chains: Chain[] = [
    { name: 'direct', ...direct(appPort, sinkPort), processes: [app] },
    { name: 'nginx proxy_pass', ...direct(proxyPort, proxyPort), processes: [proxy, app] },
    { name: 'sallyport', ...at('app.localhost'), processes: [relay, agent, app] },
    { name: 'sallyport, signed in', ...at('signed.localhost', { Cookie: cookie }), processes: [relay, agent, app] },
  ]

  const kinds = new Map<string, string>()
  const notMeasured: string[] = []
  for (const competitor of COMPETITORS) {
    const lacks = missing(competitor)
    if (lacks) {
      notMeasured.push(`${competitor.name} (no ${lacks} here; ${competitor.install})`)
      continue
    }
    try {
      const at = join(folder, competitor.name.replaceAll(' ', ''))
      const [site, sinkSite] = [
        await competitor.start(join(at, 'app'), Number(appPort)),
        await competitor.start(join(at, 'sink'), sinkPort),
      ]
      for (const each of [...site.processes, ...sinkSite.processes]) own(each)
      const headers = { Host: 'localhost', ...site.headers }
      kinds.set(competitor.name, competitor.kind)
      chains.push({
        name: competitor.name,
        ...direct(site.port, sinkSite.port),
        headers,
        processes: [...site.processes, app],
      })
    } catch (error) {
      notMeasured.push(`${competitor.name} (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`)
    }
  }

  const small = new Map<string, Small[]>(chains.map(({ name }) => [name, []]))
  const bulk = new Map<string, Bulk[]>(chains.map(({ name }) => [name, []]))
  for (let round = 1; round <= ROUNDS; round++) {
    for (const chain of chains) {
      small.get(chain.name)?.push(runSmall(chain, SECONDS))
      process.stderr.write(`round ${round}/${ROUNDS}: ${chain.name}, small requests\r`)
    }
    for (const chain of chains) {
      // Where sign-in is on, uploads go the same way; one bulk row is enough.
      if (chain.name.includes('signed in')) continue
      const processes = chain.name === 'sallyport' ? [relay, agent, sinkAgent] : chain.processes
      const uploadHeaders = chain.name === 'sallyport' ? { Host: `sink.localhost:${relayPort}` } : chain.headers
      bulk.get(chain.name)?.push(runBulk({ ...chain, processes }, BULK_MB, uploadHeaders))
      process.stderr.write(`round ${round}/${ROUNDS}: ${chain.name}, bulk          \r`)
    }
  }
  process.stderr.write('\n')

  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.version}, Linux, loopback`
  const results = {
    machine,
    rounds: ROUNDS,
    seconds: SECONDS,
    bulkMb: BULK_MB,
    kinds,
    notMeasured,
    small,
    bulk,
    memory,
  }
  console.log(table(results))
  if (notMeasured.length > 0) console.log(`Not measured: ${notMeasured.join('; ')}`)
  if (!flags.quick) {
    writeFileSync(join(root, 'docs/performance.md'), page(results))
    console.log('Written to docs/performance.md')
  }
}

/**
 * What a fresh relay takes, and each idle tunnel session. The young generation of V8's heap grows to its full size in
 * the first thousand, whatever grows it; so it is the second thousand that counts.
 */
async function measureMemory(file: string, env: NodeJS.ProcessEnv): Promise<Results['memory']> {
  const empty = own(await start('empty server', ['-e', EMPTY_SERVER], (line) => line === 'ready'))
  const emptyBytes = residentBytes(empty.pid)
  const relay = own(await startRelay(file))
  const idleBytes = residentBytes(relay.pid)
  const publicUrl = /public_url: (.*)/.exec(readFileSync(file, 'utf8'))?.[1] ?? ''
  const agents: Running[] = []
  const addSessions = async (): Promise<number> => {
    const args = [join(root, 'bench/idle-agents.ts'), publicUrl, String(IDLE_SESSIONS)]
    agents.push(own(await start('idle agents', args, (line) => line === 'ready', env)))
    return residentBytes(relay.pid)
  }
  const first = await addSessions()
  const second = await addSessions()
  for (const each of [...agents, relay, empty]) await each.end()
  return { emptyBytes, idleBytes, perSessionBytes: (second - first) / IDLE_SESSIONS, sessions: IDLE_SESSIONS }
}

function startRelay(file = join(folder, 'relay.yml')): Promise<Running & { readyLine: string }> {
  const profile = process.env.BENCH_CPU_PROF ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_CPU_PROF}`] : []
  return start('relay', [...profile, RELAY, 'start', '--config', file], (line) => line.includes('relay started'))
}

function startAgent(label: string, port: number, env: NodeJS.ProcessEnv): Promise<Running & { readyLine: string }> {
  const profile = process.env.BENCH_CPU_PROF ? ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_CPU_PROF}`] : []
  return start(
    'agent',
    [...profile, AGENT, 'tunnel', '--label', label, `http://127.0.0.1:${port}`],
    (line) => line.includes('tunnel online'),
    env,
  )
}

/** A real sign-in; gives the Cookie header of the session. */
async function signIn(url: string): Promise<string> {
  const browser = new Browser()
  const provider = await browser.open(url)
  const done = await browser.submit(provider, { username: 'ada', password: 'lovelace' })
  if (done.status !== 200) throw new Error(`the sign-in ended with ${done.status} at ${done.url}`)
  return browser.cookieHeader(url)
}

/** Writes the configuration of a relay; both share one store, and so the authtoken. */
function relayFile(name: string, port: number, adminPort: number, issuer: string): string {
  const file = join(folder, `${name}.yml`)
  writeFileSync(
    file,
    `domain: localhost
public_url: http://localhost:${port}
listen: { http: "127.0.0.1:${port}", admin: "127.0.0.1:${adminPort}" }
store: "sqlite:${join(folder, 'relay.db')}"
log: { level: info, format: json, access: false }
limits: { visitor_connections_per_address: 10000 }
edges:
  - { id: edg_app, hosts: [app.localhost] }
  - { id: edg_sink, hosts: [sink.localhost] }
  - id: edg_signed
    hosts: [signed.localhost]
    routes:
      - path_prefix: /
        backend: { labels: { edge: edg_app } }
        policy:
          on_http_request:
            - actions:
                - type: openid-connect
                  config: { issuer_url: "${issuer}", client_id: bench, client_secret: bench-secret }
`,
  )
  return file
}
