// Makes the picture of the README, light and dark: an agent in a terminal, and the page at which visitors sign in. Both
// come from the real programs, with a relay at relay.example.com: a proxy leads the names to this machine.
//
//     node_modules/.bin/node scripts/make-readme-picture.ts [FOLDER]

import { mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { request } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

import { NO_OPENSSL, makeCertificate } from '../test/support/certificate.ts'
import { ChromiumBrowser, NO_CHROMIUM } from '../test/support/browser/chromium-browser.ts'
import { AGENT, Processes, RELAY } from '../test/support/processes.ts'
import { PseudoTerminal } from '../test/support/terminal/pseudo-terminal.ts'
import { screenHtml } from '../test/support/terminal/screen-html.ts'
import type { Palette } from '../test/support/terminal/screen-html.ts'

const SCHEMES = ['light', 'dark'] as const
type Scheme = (typeof SCHEMES)[number]

const root = join(import.meta.dirname, '..')
const COLUMNS = 76
const ROWS = 30
const COMMAND = 'agent tunnel --label edge=edg_docs http://localhost:8000'
const HOST = 'docs.example.com'
const PAGE_WIDTH = 500
const REQUESTS = ['/', '/style.css', '/guide', '/guide/install', '/search?q=tunnel', '/favicon.ico', '/guide/edges']
const REDRAWN_MS = 1500 // the view is redrawn four times a second; a machine may be busy

const LOOKS: Record<
  Scheme,
  { window: string; bar: string; line: string; ink: string; soft: string; palette: Palette }
> = {
  light: {
    window: '#ffffff',
    bar: '#eceff1',
    line: '#cfd4d8',
    ink: '#1f2328',
    soft: '#59636e',
    palette: paletteOf('#1f2328 #cf222e #116329 #9a6700 #0969da #8250df #1b7c83 #6e7781 #6e7781'),
  },
  dark: {
    window: '#15181b',
    bar: '#23282d',
    line: '#3a4147',
    ink: '#e6e8ea',
    soft: '#a3abb3',
    palette: paletteOf('#484f58 #ff7b72 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #b1bac4 #8b949e'),
  },
}

const [folder = join(root, 'docs/images')] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const processes = await Processes.create({ scheme: 'https' })
const closing: (() => unknown)[] = [() => processes.close()]
try {
  await make()
} finally {
  for (const close of closing.toReversed()) await close()
}

async function make(): Promise<void> {
  const chromium = await ChromiumBrowser.start()
  if (!chromium) throw new Error(NO_CHROMIUM)
  closing.push(() => chromium.close())
  const certificate = await makeCertificate(processes.folder, ['relay.example.com', HOST])
  if (!certificate) throw new Error(NO_OPENSSL)
  await startRelay(certificate)
  const proxy = await startProxy()
  const made = await processes.run([
    RELAY,
    'service-token',
    'create',
    '--edge',
    'edg_docs',
    '--config',
    processes.configFile,
  ])
  const bytes = await showAgent(certificate.certFile, proxy, made.stdout)

  for (const scheme of SCHEMES) {
    const window = await chromium.privateWindow({
      colorScheme: scheme,
      deviceScaleFactor: 2,
      ignoreHTTPSErrors: true,
      proxy: { server: proxy },
      viewport: { width: 1200, height: 800 },
    })
    const terminal = await screenHtml(bytes, COLUMNS, ROWS, LOOKS[scheme].palette)
    const frame = await window.newPage()
    await frame.setContent(picture(scheme, terminal))
    const height = Math.ceil((await frame.locator('pre').boundingBox())?.height ?? 0)
    const page = await window.newPage()
    await page.setViewportSize({ width: PAGE_WIDTH, height })
    await page.goto(`https://${HOST}/guide`)
    const whole = await page.evaluate('document.documentElement.scrollHeight')
    await page.setViewportSize({ width: PAGE_WIDTH, height: Math.max(height, Number(whole)) })
    await frame.setContent(picture(scheme, terminal, await page.screenshot()))
    await frame.locator('main').screenshot({ path: join(folder, `readme-${scheme}.png`), omitBackground: true })
    if (scheme === 'light') console.log(terminal.replaceAll(/<[^>]*>/g, ''))
    await window.close()
  }
}

async function startRelay({ certFile, keyFile }: { certFile: string; keyFile: string }): Promise<void> {
  const provider = (title: string, issuer: string, name: string): object => ({
    title,
    auth_id: name,
    issuer_url: issuer,
    client_id: 'sallyport',
    client_secret: '${E2E_CLIENT_SECRET}',
  })
  const signIn = {
    type: 'openid-connect',
    config: {
      ...provider('Staff', 'https://login.example.com/realms/staff', 'staff'),
      alternatives: [provider('Partners', 'https://id.example.org', 'partners')],
    },
  }
  await processes.startRelay({
    edges: [
      {
        id: 'edg_docs',
        hosts: [HOST],
        // The requests of this script come with a token: nobody can sign in at example.com.
        policy: {
          on_http_request: [
            { actions: [{ type: 'any-of', config: { actions: [{ type: 'service-token' }, signIn] } }] },
          ],
        },
      },
    ],
    config: {
      domain: 'example.com',
      public_url: 'https://relay.example.com',
      listen: { https: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' },
      tls: { certificates: [{ cert_file: certFile, key_file: keyFile }] },
    },
  })
}

/** Every name leads to the relay. */
async function startProxy(): Promise<string> {
  const proxy = createServer()
  const sockets = new Set<Socket>()
  proxy.on('connect', (_, visitor: Socket) => {
    const target = connect(processes.port, '127.0.0.1', () => {
      visitor.write('HTTP/1.1 200 Connection established\r\n\r\n')
      visitor.pipe(target).pipe(visitor)
    })
    for (const socket of [visitor, target]) {
      sockets.add(socket)
      socket.on('error', () => {
        visitor.destroy()
        target.destroy()
      })
    }
  })
  closing.push(() => {
    proxy.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${await listen(proxy, 0)}`
}

/** @returns the agent's output on its terminal, after some visitors */
async function showAgent(ca: string, proxy: string, serviceToken: string): Promise<string> {
  const app = createServer((asked, response) => {
    response.writeHead(asked.url === '/favicon.ico' ? 404 : 200).end('hello')
  })
  closing.push(() => app.close().closeAllConnections())
  // As in the README, unless another program uses the port.
  const port = await listen(app, 8000).catch(() => listen(app, 0))
  const authtoken = await processes.createAuthtoken()
  const typed = COMMAND.replace('8000', String(port))
  const program = `'${process.execPath}' '${AGENT}'`
  const terminal = new PseudoTerminal(
    `sh -c 'printf "$ %s\\n\\n" "$0"; exec ${typed.replace('agent', program.replaceAll("'", '"'))}' '${typed}'`,
    {
      cwd: processes.folder,
      columns: COLUMNS,
      rows: ROWS,
      env: {
        ...processes.env,
        NO_COLOR: undefined,
        CI: undefined,
        TERM: 'xterm-256color',
        SALLYPORT_SERVER: 'https://relay.example.com',
        SALLYPORT_AUTHTOKEN: authtoken,
        SALLYPORT_CA: ca,
        SALLYPORT_PROXY_URL: proxy,
      },
    },
  )
  closing.push(() => terminal.close())
  let bytes = ''
  terminal.onData((text) => (bytes += text))
  await processes.relay.waitForEntry('tunnel online')
  for (const path of REQUESTS) await ask(path, ca, serviceToken)
  await terminal.read(/online/)
  await wait(REDRAWN_MS)
  const shown = bytes
  terminal.press('\u0003')
  await terminal.exited
  return shown
}

async function ask(path: string, ca: string, serviceToken: string): Promise<void> {
  const asked = request({
    host: '127.0.0.1',
    port: processes.port,
    servername: HOST,
    ca: readFileSync(ca),
    path,
    headers: { Host: HOST, 'Sallyport-Service-Token': serviceToken },
  })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream] // as node:https documents
  answer.resume()
  await once(answer, 'end')
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // it listens on a port
}

/** Eight colours and the ninth, grey; the bright ones are as the others. */
function paletteOf(colours: string): Palette {
  const nine = colours.split(' ')
  return [...nine, ...nine.slice(1, 8)]
}

function picture(scheme: Scheme, terminal: string, signIn?: Buffer): string {
  const { window, bar, line, ink, soft } = LOOKS[scheme]
  const image = signIn ? `<img src="data:image/png;base64,${signIn.toString('base64')}">` : ''
  const dots = '<i></i><i></i><i></i>'
  return `<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: transparent; }
main { display: inline-flex; align-items: stretch; gap: 20px; padding: 4px; }
section { border: 1px solid ${line}; border-radius: 10px; overflow: hidden; background: ${window}; color: ${ink}; display: flex; flex-direction: column; }
header { display: flex; align-items: center; gap: 6px; padding: 0 12px; height: 34px; background: ${bar}; border-bottom: 1px solid ${line}; font: 13px "DejaVu Sans", sans-serif; color: ${soft}; }
i { width: 11px; height: 11px; border-radius: 50%; background: ${line}; }
b { font-weight: normal; margin: 0 auto; padding: 3px 18px; border-radius: 6px; min-width: 260px; text-align: center; background: ${window}; }
em { font-style: normal; margin: 0 auto; }
pre { margin: 0; padding: 14px 16px; font: 12.5px/1.5 "DejaVu Sans Mono", monospace; width: ${COLUMNS}ch; flex: 1; }
img { display: block; width: ${PAGE_WIDTH}px; }
</style><main>
<section><header>${dots}<em>beside the app</em></header><pre>${terminal}</pre></section>
<section><header>${dots}<b>${HOST}</b></header>${image}</section>
</main>`
}
