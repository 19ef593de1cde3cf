// A relay and its agents inside the test's own process, with real sockets between all of them. Tests of crashes and
// signals use real processes instead: processes.ts.

import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener, Server as HttpServer } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startAgent } from '@sallyport/agent'
import type { Agent } from '@sallyport/agent'
import { createLog, loadLanguage, parseConfig, startRelay } from '@sallyport/server'
import type { Relay } from '@sallyport/server'

import type { CertificateFiles } from './certificate.ts'

type Config = ReturnType<typeof parseConfig>

export interface StackOptions {
  /** The app behind every agent. */
  app: Server
  /** The number of agents; one by default. */
  agents?: number
  /** YAML of `edges:`, as a list; one edge `edg_app` at app.localhost without sign-in by default. */
  edges?: string
  /** Further top-level YAML, e.g. `limits:` or `timeouts:`. */
  config?: string
  /** The relay's public URL, if visitors do not reach it on loopback. */
  publicUrl?: string
  /** Further entries of `listen:`, in YAML's flow style. */
  listen?: string
  /** For relay.localhost and the visitors' hosts: the relay then listens with TLS as well. */
  certificate?: CertificateFiles
  /** The relay's port, if it must be known beforehand; any free one by default. */
  port?: number
  /** Labels of the agents. */
  labels?: readonly string[]
  hostHeader?: string
  /** The protocol of the app; http1 by default. */
  upstreamProtocol?: 'http1' | 'http2'
  /** The upstream of the agents, instead of `app`. */
  upstream?: string
  /** How long a request may take that a changed edge would not let in; as long as in any relay by default. */
  recheckGraceMs?: number
  /** Reads the edges with other actions than those in docs/configuration.md. */
  readEdges?: Parameters<typeof parseConfig>[1]['readEdges']
}

export const APP_HOST = 'app.localhost'

export class Stack {
  readonly relay: Relay
  readonly config: Config
  readonly agents: Agent[]
  /** Every line the relay has logged. */
  readonly log: string[]
  readonly port: number
  /** Of the listener with TLS; 0 without one. */
  readonly tlsPort: number
  readonly appPort: number
  readonly #folder: string
  readonly #app: Server
  readonly #startAgent: () => Promise<Agent>

  constructor(init: {
    relay: Relay
    config: Config
    log: string[]
    appPort: number
    folder: string
    app: Server
    startAgent: () => Promise<Agent>
  }) {
    this.relay = init.relay
    this.config = init.config
    this.log = init.log
    this.agents = []
    this.port = init.relay.addresses.http?.port ?? 0
    this.tlsPort = init.relay.addresses.https?.port ?? 0
    this.appPort = init.appPort
    this.#folder = init.folder
    this.#app = init.app
    this.#startAgent = init.startAgent
  }

  /** Starts one more agent and waits until its tunnel is online. */
  async addAgent(): Promise<Agent> {
    const agent = await this.#startAgent()
    this.agents.push(agent)
    return agent
  }

  async close(): Promise<void> {
    for (const agent of this.agents) agent.destroy()
    await this.relay.destroy()
    this.#app.close()
    if ('closeAllConnections' in this.#app) (this.#app as HttpServer).closeAllConnections() // only http servers have it
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Starts app, relay and agents; everything is online when it resolves. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { app, agents = 1, labels = ['edge=edg_app'], certificate } = options
  if (!app.listening) {
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
  }
  const appPort = (app.address() as AddressInfo).port // it listens on a port
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'))
  const log: string[] = []
  const origin = certificate ? 'https://relay.localhost' : 'http://relay.localhost'
  const listen = [certificate && 'https: "127.0.0.1:0"', options.listen].filter((each) => each !== undefined)
  // parseConfig() does not wait for it
  if (/expressions|bucket_key|redirect|url-rewrite|\$\{/.test(options.edges ?? '')) await loadLanguage()
  const config = parseConfig(
    `
domain: localhost
public_url: ${options.publicUrl ?? `${origin}${options.port === undefined ? '' : `:${options.port}`}`}
listen: { http: "127.0.0.1:${options.port ?? 0}", admin: "127.0.0.1:0"${listen.map((each) => `, ${each}`).join('')} }
${certificate ? `tls: { certificates: [{ cert_file: "${certificate.certFile}", key_file: "${certificate.keyFile}" }] }` : ''}
store: "sqlite:${join(folder, 'relay.db')}"
${options.config ?? ''}
edges:
${indent(options.edges ?? `- { id: edg_app, hosts: [${APP_HOST}] }`)}
`,
    { source: 'test', env: {}, ...(options.readEdges && { readEdges: options.readEdges }) },
  )
  const relay = await startRelay(config, {
    log: createLog({ level: 'debug' }, { write: (line) => void log.push(line) }),
    env: {},
    recheckGraceMs: options.recheckGraceMs,
  })
  const { token } = await relay.authtokens.create({ acl: [] })
  const ca = certificate && (await readFile(certificate.certFile, 'utf8'))
  const stack = new Stack({
    relay,
    config,
    log,
    appPort,
    folder,
    app,
    startAgent: async () => {
      const agent = startAgent({
        server: certificate
          ? `https://relay.localhost:${relay.addresses.https?.port}`
          : `http://127.0.0.1:${relay.addresses.http?.port}`,
        ca,
        authtoken: token,
        log: createLog({ level: 'silent' }),
        tunnels: [
          {
            upstream: options.upstream ?? `http://127.0.0.1:${appPort}`,
            labels,
            hostHeader: options.hostHeader,
            upstreamProtocol: options.upstreamProtocol,
          },
        ],
      })
      if (agent.status.state !== 'online') await once(agent, 'online')
      return agent
    },
  })
  for (let count = 0; count < agents; count++) await stack.addAgent()
  return stack
}

/** An app that is an ordinary node:http server. */
export function httpApp(listener: RequestListener): HttpServer {
  return createHttpServer(listener)
}

function indent(yaml: string): string {
  return yaml
    .trim()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')
}
