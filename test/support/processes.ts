// The whole product as real processes: identity provider, relay, agents, commands. For tests of crashes, signals,
// memory and browsers. One relay with its public URL per instance; close() ends everything, by process id, and
// removes the temporary folder. If a test process is ended from outside, its children are killed with it.

import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { IdentityProviderClient, IdentityProviderUser } from './identity-provider/identity-provider.ts'
import { redirectUri } from '@sallyport/server'

import { RunningProcess } from './running-process.ts'
import type { Exit } from './running-process.ts'

const root = join(import.meta.dirname, '../..')
const PROVIDER = join(root, 'test/support/identity-provider/identity-provider-main.ts')
export const RELAY = join(root, 'packages/server/src/main.ts')
export const AGENT = join(root, 'packages/agent/src/main.ts')

const END_DEADLINE_MS = 5000
export const CLIENT_ID = 'e2e'
export const CLIENT_SECRET = 'a secret of the tests'

/** The users of the provider, unless a test names others. */
export const ADA = {
  username: 'ada',
  password: 'lovelace',
  claims: { name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true, groups: ['engineers'] },
} as const satisfies IdentityProviderUser

export interface RelayOptions {
  /** As in relay.yml. */
  edges: readonly object[]
  /** Further top-level keys of relay.yml. */
  config?: Record<string, unknown>
  /** How many files the relay may have open. */
  openFiles?: number
}

export interface AgentOptions {
  authtoken: string
  /** `key=value`. */
  labels: readonly string[]
  upstream: string
  /** Sent to the relay as metadata; appears in its log. */
  name: string
  /** Further flags of `agent tunnel`. */
  flags?: readonly string[]
}

/** A command that has ended. */
export interface Finished extends Exit {
  stdout: string
  stderr: string
}

export class Processes {
  readonly folder: string
  /** The port and URLs that relay, agents and provider share; the port is reserved, nothing listens yet. */
  readonly publicUrl: string
  readonly port: number
  readonly configFile: string
  /** The configuration of the machine's user for Sallyport is ignored. */
  readonly env: NodeJS.ProcessEnv
  readonly #all: RunningProcess[] = []
  readonly #onExit = (): void => {
    this.#killAll()
    rmSync(this.folder, { recursive: true, force: true })
  }
  #relay: RunningProcess | undefined
  #adminPort = 0
  #issuer: string | undefined

  static async create({ scheme = 'http' }: { scheme?: 'http' | 'https' } = {}): Promise<Processes> {
    return new Processes(await freePort(), scheme)
  }

  /** Use `Processes.create`. */
  constructor(port: number, scheme: string) {
    this.port = port
    this.publicUrl = `${scheme}://relay.localhost:${port}`
    this.folder = mkdtempSync(join(tmpdir(), 'sallyport-e2e-'))
    this.configFile = join(this.folder, 'relay.yml')
    // All variables except those that change our programs' behaviour: the compile cache may stay.
    const foreign = /^(?:SALLYPORT_|NODE_(?!COMPILE_CACHE$)|HTTPS?_PROXY$)/i
    const inherited = Object.entries(process.env).filter(([name]) => !foreign.test(name))
    this.env = {
      ...Object.fromEntries(inherited),
      XDG_CONFIG_HOME: this.folder,
      XDG_DATA_HOME: this.folder,
      NO_COLOR: '1',
      E2E_CLIENT_SECRET: CLIENT_SECRET,
    }
    process.on('exit', this.#onExit)
    process.on('SIGTERM', exitOnSignal)
  }

  get relay(): RunningProcess {
    if (!this.#relay) throw new Error('no relay has been started')
    return this.#relay
  }

  get issuer(): string {
    if (this.#issuer === undefined) throw new Error('no identity provider has been started')
    return this.#issuer
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${this.#adminPort}`
  }

  /** The origin of an edge's host. */
  origin(host: string): string {
    return `${new URL(this.publicUrl).protocol}//${host}:${this.port}`
  }

  /** Starts one of our programs. */
  start(
    name: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    cwd?: string,
    openFiles?: number,
  ): RunningProcess {
    const child = new RunningProcess(name, args, { ...this.env, ...env }, cwd, openFiles)
    this.#all.push(child)
    return child
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const child = this.start(args.slice(1).join(' '), args, env)
    const exit = await child.exited
    return { ...exit, stdout: child.output.join('\n'), stderr: child.errors.join('\n') }
  }

  /** Starts the provider with one client for every edge of this relay. */
  async startProvider(
    users: readonly IdentityProviderUser[] = [ADA],
    client: Partial<IdentityProviderClient> = {},
  ): Promise<RunningProcess> {
    const host = 'idp.localhost'
    // Known beforehand, because redirect URIs contain the issuer's name.
    const port = this.#issuer === undefined ? await freePort() : Number(new URL(this.#issuer).port)
    const provider = this.start('identity provider', [PROVIDER], {
      IDENTITY_PROVIDER: JSON.stringify({
        port,
        host,
        users,
        clients: [
          {
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            redirect_uris: [redirectUri(this.publicUrl, `http://${host}:${port}`)],
            post_logout_redirect_uris: [`${this.publicUrl}/oidc/signed-out`],
            ...client,
          },
        ],
      }),
    })
    const line = await provider.waitForLine('its issuer', (each) => each.startsWith('{'))
    this.#issuer = (JSON.parse(line) as { issuer: string }).issuer // our own program's line
    return provider
  }

  /** A policy that asks visitors to sign in at the provider. */
  signIn(further: Record<string, unknown> = {}): object {
    const config = { issuer_url: this.issuer, client_id: CLIENT_ID, client_secret: '${E2E_CLIENT_SECRET}', ...further }
    return { on_http_request: [{ actions: [{ type: 'openid-connect', config }] }] }
  }

  /** Writes relay.yml (JSON is YAML) and starts the relay. */
  async startRelay({ edges, config, openFiles }: RelayOptions): Promise<RunningProcess> {
    const whole = {
      domain: 'localhost',
      public_url: this.publicUrl,
      listen: { http: `127.0.0.1:${this.port}`, admin: '127.0.0.1:0' },
      store: 'sqlite:relay.db',
      log: { level: 'info', format: 'json' },
      ...config,
      edges,
    }
    await writeFile(this.configFile, JSON.stringify(whole, undefined, 2))
    return this.restartRelay(openFiles)
  }

  /** Starts the relay once more, on the same port, store and configuration. */
  async restartRelay(openFiles?: number): Promise<RunningProcess> {
    const relay = this.start('relay', [RELAY, 'start', '--config', this.configFile], {}, undefined, openFiles)
    this.#relay = relay
    const { admin } = await relay.waitForEntry('relay started')
    this.#adminPort = Number(admin)
    return relay
  }

  /** Makes an authtoken as an operator would, while the relay runs. */
  async createAuthtoken(...acl: string[]): Promise<string> {
    const rules = acl.flatMap((rule) => ['--acl', rule])
    const made = await this.run([RELAY, 'authtoken', 'create', '--config', this.configFile, ...rules])
    if (made.code !== 0) throw new Error(`relay authtoken create failed: ${made.stderr}`)
    return made.stdout
  }

  /** Starts `agent tunnel` and does not wait for it. */
  launchAgent({ authtoken, labels, upstream, name, flags = [] }: AgentOptions): RunningProcess {
    const args = [
      'tunnel',
      '--server',
      this.publicUrl,
      '--metadata',
      name,
      ...labels.flatMap((one) => ['--label', one]),
    ]
    return this.start(name, [AGENT, ...args, ...flags, upstream], {
      SALLYPORT_AUTHTOKEN: authtoken,
      SALLYPORT_LOG_FORMAT: 'json',
    })
  }

  /** Starts `agent tunnel` and resolves when the relay has its tunnel online. */
  async startAgent(options: AgentOptions): Promise<{ process: RunningProcess; tunnelId: string }> {
    const since = this.relay.lines.length
    const process = this.launchAgent(options)
    // A refused agent ends: then its own message says more than a timeout.
    const ended = process.waitFor<never>('tunnel online', () => undefined)
    const online = await Promise.race([this.tunnelOnline(options.name, since), ended])
    ended.catch(() => {}) // from now on it may end for other reasons
    return { process, tunnelId: online }
  }

  /** The id of the tunnel that an agent of this name has brought online at the current relay. */
  async tunnelOnline(name: string, since = 0): Promise<string> {
    const entry = await this.relay.waitForEntry('tunnel online', ({ metadata }) => metadata === name, since)
    return String(entry.tunnelId)
  }

  /** Ends every remaining process and removes the folder. Safe to call twice. */
  async close(): Promise<void> {
    const running = this.#all.filter((child) => child.isRunning).toReversed()
    for (const child of running) child.kill('SIGTERM')
    const timer = setTimeout(() => this.#killAll(), END_DEADLINE_MS)
    await Promise.all(running.map((child) => child.exited))
    clearTimeout(timer)
    process.off('exit', this.#onExit)
    rmSync(this.folder, { recursive: true, force: true })
  }

  #killAll(): void {
    for (const child of this.#all) if (child.isRunning) child.kill('SIGKILL')
  }
}

/**
 * A port for a process that is started later. It lies below the ports that systems assign by themselves (from 32768 on
 * Linux): otherwise another connection could have taken it by then.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false, // taken: another one
    )
    if (!isFree) continue
    await new Promise((closed) => server.close(closed))
    return port
  }
}

/** The test runner ends a file that takes too long with SIGTERM: 'exit' listeners still run. */
function exitOnSignal(): void {
  process.exit(1)
}
