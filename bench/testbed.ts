// All measured programs on this machine: the app, nginx in front of it, the relay with its agents, and every installed
// competitor. Each is started on first use, and all end together.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Browser } from '../test/support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'

import { COMPETITORS, missing } from './competitors.ts'
import type { Competitor, CompetitorKind } from './competitors.ts'
import { freePort, start, startNginx } from './processes.ts'
import type { Running } from './processes.ts'
import { publishInto } from './publish.ts'
import type { Published } from './publish.ts'

/** A way from a visitor to the app. */
export interface Chain {
  name: string
  kind: 'no proxy' | 'sallyport' | CompetitorKind
  /** The port for visitors, on 127.0.0.1: /small.txt, /bulk.bin and /part.bin of nginx. */
  port: number
  headers: Readonly<Record<string, string>>
  processes: readonly Running[]
  /** The port for uploads; undefined if they are not measured. */
  upload: { port: number; headers: Readonly<Record<string, string>> } | undefined
  /** The port for HTTP/2 without TLS. */
  http2Port?: number
}

interface Apps {
  nginx: Running
  nginxPort: number
  nginxHttp2Port: number
  /** stream-app.ts */
  streamPort: number
  /** The file behind /bulk.bin. */
  bulkFile: string
}

export interface RelayInUse {
  relay: Running
  relayPort: number
  publicUrl: string
  authtoken: string
  /** From the start of its process until it serves. */
  startMs: number
  /** @param options.server the address to dial, instead of the relay's own */
  startAgent: (
    label: string,
    appPort: number,
    options?: { flags?: readonly string[]; server?: string; nodeFlags?: readonly string[] },
  ) => Promise<Running>
}

interface Program extends Running {
  port: number
  /** Of splice-floor.ts. */
  backPort?: number
}

interface Product extends RelayInUse {
  /** The tunnel of `edge=edg_app`. */
  agent: Running
}

export const YARDSTICK = 'nginx proxy_pass'
export const SMALL_PATH = '/small.txt'
export const BULK_PATH = '/bulk.bin'
export const BULK_MB = 100
export const PART_PATH = '/part.bin'
export const PART_MB = 16
/** English with code and tables: the pages of docs/. */
export const TEXT_PATH = '/text.txt'
export const TEXT_MB = 16

/** The edges for the scenarios about policies. */
export const FALSE_RULES = 10
export const FALSE_RULES_HOST = 'false-rules.localhost'
export const SIGNED_HOST = 'signed.localhost'
export const SIGNED_RULES_HOST = 'signed-rules.localhost'
export const COMPRESSED_HOST = 'compressed.localhost'

const USER = { username: 'ada', password: 'lovelace', claims: { name: 'Ada', email: 'ada@example.com' } }

export class Testbed {
  readonly folder: string
  readonly #competitors: readonly Competitor[]
  readonly #published: Published
  readonly #running = new Set<Running>()
  #apps: Promise<Apps> | undefined
  #product: Promise<Product> | undefined
  #chains: Promise<readonly Chain[]> | undefined
  /** Missing competitors, each with the reason and the way to install it; known after `chains()`. */
  readonly notMeasured: string[] = []

  private constructor(folder: string, competitors: readonly Competitor[]) {
    this.folder = folder
    this.#competitors = competitors
    this.#published = publishInto(join(folder, 'published'))
  }

  static async create(competitors: readonly Competitor[] = COMPETITORS): Promise<Testbed> {
    return new Testbed(await mkdtemp(join(tmpdir(), 'sallyport-bench-')), competitors)
  }

  async close(): Promise<void> {
    for (const each of [...this.#running].toReversed()) await each.end()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Direct, nginx, ours, ours signed in, and the competitors. */
  chains(): Promise<readonly Chain[]> {
    return (this.#chains ??= this.#startChains())
  }

  /** Our chain again, with an agent that has one session to the relay, which all streams share. */
  async chainOfOneSession(): Promise<Chain> {
    const [apps, { relay, relayPort, startAgent }] = await Promise.all([this.apps(), this.product()])
    const agent = await startAgent('edge=edg_one', apps.nginxPort, { flags: ['--connections', '1'] })
    return {
      name: 'sallyport, one session',
      kind: 'sallyport',
      port: relayPort,
      headers: { Host: `one.localhost:${relayPort}` },
      processes: [relay, agent, apps.nginx],
      upload: undefined,
    }
  }

  apps(): Promise<Apps> {
    return (this.#apps ??= this.#startApps())
  }

  /** Our relay, and a function that starts its agents. */
  product(): Promise<Product> {
    return (this.#product ??= this.#startProduct())
  }

  /** A relay with its own store, and a function that starts its agents. `nodeFlags` go to Node.js itself. */
  async startRelay(
    name: string,
    options: {
      port?: number
      edges: string
      http2?: boolean
      nodeFlags?: readonly string[]
      /** A line for each request. */
      access?: boolean
      /** Its log goes to a file of the testbed, which is not read meanwhile. */
      logsToFile?: boolean
    },
  ): Promise<RelayInUse> {
    const {
      port = await freePort(),
      edges,
      http2 = false,
      nodeFlags = [],
      access = false,
      logsToFile = false,
    } = options
    const publicUrl = `http://localhost:${port}`
    const file = join(this.folder, `${name}.yml`)
    writeFileSync(
      file,
      `domain: localhost
public_url: ${publicUrl}
listen: { http: "127.0.0.1:${port}", admin: "127.0.0.1:0"${http2 ? ', http2: all' : ''} }
store: "sqlite:${join(this.folder, `${name}.db`)}"
log: { level: info, format: json, access: ${access} }
limits: { visitor_connections_per_address: 10000 }
edges:
${edges}`,
    )
    const { relay: relayCommand, agent: agentCommand } = this.#published
    const command = [...nodeFlags, relayCommand, 'start', '--config', file]
    const logFile = logsToFile ? join(this.folder, `${name}.log`) : undefined
    const startedAt = performance.now()
    const relay = await this.#start('relay', command, 'relay started', undefined, logFile)
    const startMs = performance.now() - startedAt
    const authtoken = execFileSync(process.execPath, [relayCommand, 'authtoken', 'create', '--config', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    const env = { ...process.env, SALLYPORT_AUTHTOKEN: authtoken, XDG_CONFIG_HOME: this.folder }
    return {
      relay,
      relayPort: port,
      publicUrl,
      authtoken,
      startMs,
      startAgent: (label, appPort, { flags = [], server = publicUrl, nodeFlags: ofAgent = [] } = {}) =>
        this.#start(
          'agent',
          [...ofAgent, agentCommand, 'tunnel', '--label', label, ...flags, `http://127.0.0.1:${appPort}`],
          'tunnel online',
          { ...env, SALLYPORT_SERVER: server },
        ),
    }
  }

  /** `child` ends with the testbed, or earlier. */
  own<T extends Running>(child: T): T {
    this.#running.add(child)
    return child
  }

  /** A Node.js program that is ready when it prints `readyWords`. */
  async #start(
    name: string,
    args: readonly string[],
    readyWords: string,
    env?: NodeJS.ProcessEnv,
    outputFile?: string,
  ): Promise<Running & { readyLine: string }> {
    return this.own(await start(name, args, (line) => line.includes(readyWords), env, outputFile))
  }

  /** A program of bench/ that prints a line of JSON with its ports. */
  async startProgram(name: string, file: string, flags: readonly string[] = []): Promise<Program> {
    const child = await this.#start(name, [join(import.meta.dirname, file), ...flags], '{"port"')
    return { ...child, ...(JSON.parse(child.readyLine) as { port: number; backPort?: number }) } // printed by our own program
  }

  async #startApps(): Promise<Apps> {
    const www = join(this.folder, 'www')
    mkdirSync(www)
    writeFileSync(join(www, 'small.txt'), 'Hello, world\n')
    writeFileSync(join(www, 'index.html'), 'ready\n')
    const block = Buffer.alloc(1024 * 1024, 'Sallyport ')
    writeFileSync(join(www, 'bulk.bin'), Buffer.concat(Array.from({ length: BULK_MB }, () => block)))
    writeFileSync(join(www, 'text.txt'), proseOf(TEXT_MB * 1024 * 1024))
    writeFileSync(join(www, 'part.bin'), Buffer.concat(Array.from({ length: PART_MB }, () => block)))
    const [nginxPort, nginxHttp2Port] = [await freePort(), await freePort()]
    const nginx = this.own(
      await startNginx('app', join(this.folder, 'app'), nginxPort, {
        server: `listen 127.0.0.1:${nginxHttp2Port} http2; root ${www};`,
      }),
    )
    const stream = await this.startProgram('stream app', 'stream-app.ts')
    return { nginx, nginxPort, nginxHttp2Port, streamPort: stream.port, bulkFile: join(www, 'bulk.bin') }
  }

  async #startProduct(): Promise<Product> {
    const { nginxPort, streamPort } = await this.apps()
    const [relayPort, providerPort] = [await freePort(), await freePort()]
    const publicUrl = `http://localhost:${relayPort}`
    const redirect_uris = [redirectUri(publicUrl, `http://localhost:${providerPort}`)]
    const client = { client_id: 'bench', client_secret: 'bench-secret', redirect_uris }
    const provider = await this.#start(
      'identity provider',
      [
        join(import.meta.dirname, '../test/support/identity-provider/identity-provider-main.ts'),
        JSON.stringify({ port: providerPort, users: [USER], clients: [client] }),
      ],
      '{',
    )
    const { issuer } = JSON.parse(provider.readyLine) as { issuer: string } // printed by our own provider
    const inUse = await this.startRelay('relay', { port: relayPort, edges: edgesWith(issuer), http2: true })
    const agent = await inUse.startAgent('edge=edg_app', nginxPort)
    await inUse.startAgent('edge=edg_stream', streamPort)
    return { ...inUse, agent }
  }

  async #startChains(): Promise<readonly Chain[]> {
    const apps = await this.apps()
    const { relay, agent, relayPort } = await this.product()
    const [proxyPort, proxyHttp2Port] = [await freePort(), await freePort()]
    const proxy = this.own(
      await startNginx(YARDSTICK, join(this.folder, 'proxy'), proxyPort, {
        http: `upstream app { server 127.0.0.1:${apps.nginxPort}; keepalive 64; }
upstream stream { server 127.0.0.1:${apps.streamPort}; keepalive 64; }`,
        server: `listen 127.0.0.1:${proxyHttp2Port} http2; proxy_http_version 1.1; proxy_set_header Connection "";
location / { proxy_pass http://app; }
location /upload { proxy_pass http://stream; }`,
      }),
    )
    const cookie = await signIn(`http://signed.localhost:${relayPort}${SMALL_PATH}`)
    const plain = { Host: 'localhost' }
    const chains: Chain[] = [
      {
        name: 'direct',
        kind: 'no proxy',
        port: apps.nginxPort,
        headers: plain,
        processes: [apps.nginx],
        upload: { port: apps.streamPort, headers: plain },
        http2Port: apps.nginxHttp2Port,
      },
      {
        name: YARDSTICK,
        kind: 'reverse proxy',
        port: proxyPort,
        headers: plain,
        processes: [proxy, apps.nginx],
        upload: { port: proxyPort, headers: plain },
        http2Port: proxyHttp2Port,
      },
      {
        name: 'sallyport',
        kind: 'sallyport',
        port: relayPort,
        headers: { Host: `app.localhost:${relayPort}` },
        processes: [relay, agent, apps.nginx],
        upload: { port: relayPort, headers: { Host: `stream.localhost:${relayPort}` } },
        http2Port: relayPort,
      },
      {
        name: 'sallyport, signed in',
        kind: 'sallyport',
        port: relayPort,
        headers: { Host: `signed.localhost:${relayPort}`, Cookie: cookie },
        processes: [relay, agent, apps.nginx],
        upload: undefined,
        http2Port: relayPort,
      },
    ]
    for (const competitor of this.#competitors) {
      const lacks = missing(competitor)
      if (lacks) {
        this.notMeasured.push(`${competitor.name} (no \`${lacks}\` on the PATH; ${competitor.install})`)
        continue
      }
      try {
        const folder = join(this.folder, competitor.name.replaceAll(' ', ''))
        const site = await competitor.start({ folder: join(folder, 'app'), appPort: apps.nginxPort })
        const sink = await competitor.start({ folder: join(folder, 'stream'), appPort: apps.streamPort })
        for (const each of [...site.processes, ...sink.processes]) this.own(each)
        chains.push({
          name: competitor.name,
          kind: competitor.kind,
          port: site.port,
          headers: { ...plain, ...site.headers },
          processes: [...site.processes, apps.nginx],
          upload: { port: sink.port, headers: { ...plain, ...sink.headers } },
          ...(site.http2Port !== undefined && { http2Port: site.http2Port }),
        })
      } catch (error) {
        const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
        this.notMeasured.push(`${competitor.name} (did not start: ${reason})`)
      }
    }
    return chains
  }
}

function edgesWith(issuer: string): string {
  const signIn = `- type: openid-connect
                  config: { issuer_url: "${issuer}", client_id: bench, client_secret: bench-secret }`
  const route = `routes:
      - path_prefix: /
        backend: { labels: { edge: edg_app } }
        policy:`
  return `  - { id: edg_app, hosts: [app.localhost] }
  - { id: edg_one, hosts: [one.localhost] }
  - { id: edg_stream, hosts: [stream.localhost] }
  - { id: edg_link, hosts: [link.localhost] }
  - id: edg_signed
    hosts: [${SIGNED_HOST}]
    ${route}
          on_http_request:
            - actions:
                ${signIn}
  - id: edg_false
    hosts: [${FALSE_RULES_HOST}]
    ${route}
          on_http_request:
${falseRules(FALSE_RULES)}
  - id: edg_rules
    hosts: [${SIGNED_RULES_HOST}]
    ${route}
          on_http_request:
            - actions:
                ${signIn}
${falseRules(1)}
            - actions: [{ type: add-headers, config: { headers: { x-edge: docs } } }]
            - actions:
                - type: rate-limit
                  config: { name: bench, capacity: 2000000000, rate: 60s, bucket_key: [conn.client_ip] }
  - id: edg_compressed
    hosts: [${COMPRESSED_HOST}]
    ${route}
          on_http_response: [{ actions: [{ type: compress-response }] }]
`
}

/** Each reads another header, so no two of them are alike. */
function falseRules(count: number): string {
  const rule = (number: number): string =>
    `            - { expressions: ["hasReqHeader('x-key-${number}') && req.method == 'POST'"], actions: [{ type: deny }] }`
  return Array.from({ length: count }, (_, index) => rule(index)).join('\n')
}

/** Text of the wanted size, in bytes. */
function proseOf(bytes: number): Buffer {
  const docs = join(import.meta.dirname, '../docs')
  const pages = readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'))
  const text = Buffer.concat(pages.toSorted().map((name) => readFileSync(join(docs, name))))
  return Buffer.concat(Array.from({ length: Math.ceil(bytes / text.length) }, () => text)).subarray(0, bytes)
}

/** A real sign-in; returns the Cookie header of the session. */
export async function signIn(url: string): Promise<string> {
  const browser = new Browser()
  const provider = await browser.open(url)
  const done = await browser.submit(provider, { username: USER.username, password: USER.password })
  if (done.status !== 200) throw new Error(`the sign-in ended with ${done.status} at ${done.url}`)
  return browser.cookieHeader(url)
}
