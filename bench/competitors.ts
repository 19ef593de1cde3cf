// The competitors: other reverse proxies, and other tunnels. Each is started as its own documentation says, on
// loopback, in front of the same app; competitors that are not on the PATH are listed as not measured.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'

import { endChild, freePort } from './processes.ts'
import type { Running } from './processes.ts'

const BORE_PORT = 7835

/** Its kind: a proxy has no tunnel; a TCP tunnel copies bytes without parsing them. */
export type CompetitorKind = 'reverse proxy' | 'HTTP tunnel' | 'TCP tunnel'

export interface Site {
  folder: string
  appPort: number
  /** Puts a link between both ends of a tunnel: returns the port to dial instead of the given port. */
  via?: (port: number) => Promise<number>
}

export interface Started {
  /** The port for requests. */
  port: number
  headers?: Record<string, string>
  processes: Running[]
  /** The port for HTTP/2 without TLS. */
  http2Port?: number
}

export interface Competitor {
  name: string
  kind: CompetitorKind
  commands: readonly string[]
  install: string
  /** Why no link can be put between its ends. */
  unlinkable?: string
  start: (site: Site) => Promise<Started>
}

export const COMPETITORS: readonly Competitor[] = [
  {
    name: 'haproxy',
    kind: 'reverse proxy',
    commands: ['haproxy'],
    install: 'apt-get install haproxy',
    async start({ folder, appPort }) {
      const [port, http2Port] = [await freePort(), await freePort()]
      const file = write(
        folder,
        'haproxy.cfg',
        `global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  bind 127.0.0.1:${http2Port} proto h2
  default_backend app
backend app
  server app 127.0.0.1:${appPort}
`,
      )
      return { port, http2Port, processes: [await run('haproxy', ['-f', file, '-db'], port)] }
    },
  },
  {
    name: 'caddy',
    kind: 'reverse proxy',
    commands: ['caddy'],
    install: 'apt-get install caddy',
    async start({ folder, appPort }) {
      const port = await freePort()
      const file = write(
        folder,
        'Caddyfile',
        `{
  admin off
  auto_https off
  storage file_system ${folder}
  servers {
    protocols h1 h2c
  }
}
http://:${port} {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:${appPort}
}
`,
      )
      const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
      const args = ['run', '--config', file, '--adapter', 'caddyfile']
      return { port, http2Port: port, processes: [await run('caddy', args, port, env)] }
    },
  },
  {
    name: 'ssh -R',
    kind: 'TCP tunnel',
    commands: ['ssh', 'sshd', 'ssh-keygen'],
    install: 'apt-get install openssh-server openssh-client',
    async start({ folder, appPort, via = asItIs }) {
      const [sshPort, port] = [await freePort(), await freePort()]
      mkdirSync(folder, { recursive: true })
      for (const key of ['host', 'user']) {
        execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)])
      }
      mkdirSync('/run/sshd', { recursive: true }) // sshd insists on locking itself in there
      const authorized = write(folder, 'authorized_keys', execFileSync('cat', [join(folder, 'user.pub')]).toString())
      const config = write(
        folder,
        'sshd_config',
        `Port ${sshPort}
ListenAddress 127.0.0.1
HostKey ${join(folder, 'host')}
AuthorizedKeysFile ${authorized}
StrictModes no
PasswordAuthentication no
PidFile none
UsePAM no
`,
      )
      const sshd = await run(which('sshd') ?? 'sshd', ['-D', '-e', '-f', config], sshPort)
      const client = await run(
        'ssh',
        [
          '-N',
          '-p',
          String(await via(sshPort)),
          '-i',
          join(folder, 'user'),
          '-o',
          'StrictHostKeyChecking=no',
          '-o',
          `UserKnownHostsFile=${join(folder, 'known')}`,
          '-o',
          'ExitOnForwardFailure=yes',
          '-R',
          `127.0.0.1:${port}:127.0.0.1:${appPort}`,
          '127.0.0.1',
        ],
        port,
      )
      return { port, processes: [sshd, client] }
    },
  },
  {
    name: 'chisel',
    kind: 'TCP tunnel',
    commands: ['chisel'],
    install: 'go install github.com/jpillora/chisel@latest',
    async start({ appPort, via = asItIs }) {
      const [control, port] = [await freePort(), await freePort()]
      const server = await run('chisel', ['server', '--host', '127.0.0.1', '-p', String(control), '--reverse'], control)
      const forward = `R:127.0.0.1:${port}:127.0.0.1:${appPort}`
      return {
        port,
        processes: [server, await run('chisel', ['client', `http://127.0.0.1:${await via(control)}`, forward], port)],
      }
    },
  },
  {
    name: 'frp',
    kind: 'HTTP tunnel',
    commands: ['frps', 'frpc'],
    install: 'go install github.com/fatedier/frp/cmd/frps@latest github.com/fatedier/frp/cmd/frpc@latest',
    async start({ folder, appPort, via = asItIs }) {
      const [control, port] = [await freePort(), await freePort()]
      const serverFile = write(
        folder,
        'frps.toml',
        `bindAddr = "127.0.0.1"\nbindPort = ${control}\nvhostHTTPPort = ${port}\nproxyBindAddr = "127.0.0.1"\n`,
      )
      const clientFile = write(
        folder,
        'frpc.toml',
        `serverAddr = "127.0.0.1"
serverPort = ${await via(control)}
[[proxies]]
name = "app"
type = "http"
localIP = "127.0.0.1"
localPort = ${appPort}
customDomains = ["app.localhost"]
`,
      )
      const server = await run('frps', ['-c', serverFile], control)
      const headers = { Host: 'app.localhost' }
      return { port, headers, processes: [server, await run('frpc', ['-c', clientFile], port, process.env, headers)] }
    },
  },
  {
    name: 'piko',
    kind: 'HTTP tunnel',
    commands: ['piko'],
    install: 'go install github.com/andydunstall/piko@latest',
    async start({ appPort, via = asItIs }) {
      const [port, upstream, admin, gossip] = await Promise.all(Array.from({ length: 4 }, freePort))
      const server = await run(
        'piko',
        [
          'server',
          '--proxy.bind-addr',
          `127.0.0.1:${port}`,
          '--upstream.bind-addr',
          `127.0.0.1:${upstream}`,
          '--admin.bind-addr',
          `127.0.0.1:${admin}`,
          '--cluster.gossip.bind-addr',
          `127.0.0.1:${gossip}`,
          '--proxy.access-log.disable',
          '--log.level',
          'error',
        ],
        port ?? 0,
      )
      const headers = { 'x-piko-endpoint': 'app' }
      const agent = await run(
        'piko',
        [
          'agent',
          'http',
          'app',
          String(appPort),
          '--access-log.disable',
          '--log.level',
          'error',
          '--connect.url',
          `http://127.0.0.1:${await via(upstream ?? 0)}`,
          '--server.enabled=false',
        ],
        port ?? 0,
        process.env,
        headers,
      )
      return { port: port ?? 0, headers, processes: [server, agent] }
    },
  },
  {
    name: 'bore',
    kind: 'TCP tunnel',
    commands: ['bore'],
    install: 'cargo install bore-cli',
    unlinkable: 'its control port is fixed',
    async start({ appPort }) {
      const port = await freePort()
      const range = ['--min-port', '1024', '--bind-addr', '127.0.0.1']
      // Its control port is fixed, so both of our apps share one server.
      const servers = (await accepts(BORE_PORT)) ? [] : [await run('bore', ['server', ...range], BORE_PORT)]
      const client = ['local', String(appPort), '--to', '127.0.0.1', '--port', String(port)]
      return { port, processes: [...servers, await run('bore', client, port)] }
    },
  },
  {
    name: 'rathole',
    kind: 'TCP tunnel',
    commands: ['rathole'],
    install: 'cargo install rathole',
    async start({ folder, appPort, via = asItIs }) {
      const [control, port] = [await freePort(), await freePort()]
      const serverFile = write(
        folder,
        'server.toml',
        `[server]\nbind_addr = "127.0.0.1:${control}"\ndefault_token = "bench"\n[server.services.app]\nbind_addr = "127.0.0.1:${port}"\n`,
      )
      const clientFile = write(
        folder,
        'client.toml',
        `[client]\nremote_addr = "127.0.0.1:${await via(control)}"\ndefault_token = "bench"\n[client.services.app]\nlocal_addr = "127.0.0.1:${appPort}"\n`,
      )
      const server = await run('rathole', ['--server', serverFile], control)
      return { port, processes: [server, await run('rathole', ['--client', clientFile], port)] }
    },
  },
  {
    name: 'wstunnel',
    kind: 'TCP tunnel',
    commands: ['wstunnel'],
    install: 'brew install wstunnel',
    async start({ appPort, via = asItIs }) {
      const [control, port] = [await freePort(), await freePort()]
      const server = await run('wstunnel', ['server', `ws://127.0.0.1:${control}`], control)
      const forward = ['-R', `tcp://127.0.0.1:${port}:127.0.0.1:${appPort}`, `ws://127.0.0.1:${await via(control)}`]
      return { port, processes: [server, await run('wstunnel', ['client', ...forward], port)] }
    },
  },
]

/** Tunnels that this benchmark cannot start by itself, and why. */
export const NOT_STARTED: readonly string[] = [
  'localtunnel (its authors publish the client, `npm install --global localtunnel`, but not the server as a package)',
  'pgrok (its server wants PostgreSQL and an identity provider; `docker run ghcr.io/pgrok/pgrokd`)',
]

const asItIs = (port: number): Promise<number> => Promise.resolve(port)

/** Why a competitor cannot be measured here, or undefined. */
export function missing(competitor: Competitor): string | undefined {
  return competitor.commands.find((command) => which(command) === undefined)
}

function which(command: string): string | undefined {
  const found = spawnSync('which', [command], { encoding: 'utf8' })
  return found.status === 0 ? found.stdout.trim() : undefined
}

function write(folder: string, name: string, text: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, name)
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

/** Starts a program and waits until `port` answers; with `headers` given, until a request there gets 200. */
async function run(
  command: string,
  args: readonly string[],
  port: number,
  env: NodeJS.ProcessEnv = process.env,
  headers?: Record<string, string>,
): Promise<Running> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  await once(child, 'spawn') // rejects if it cannot be run
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)))
  const running = { name: command.split('/').at(-1) ?? command, pid: child.pid ?? 0, end: () => endChild(child) }
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) break
    if (headers ? await answers(port, headers) : await accepts(port)) return running
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await running.end()
  throw new Error(`${command} did not start: ${errors}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function answers(port: number, headers: Record<string, string>): Promise<boolean> {
  // fetch() may not set Host, so this asks by hand.
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const url = `http://127.0.0.1:${port}/small.txt`
  const asked = spawnSync('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '2', ...flags, url])
  return asked.stdout.toString() === '200'
}
