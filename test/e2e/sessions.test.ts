// Sessions as an operator sees and ends them: `relay session list` and `revoke` beside a running relay, and the fate of
// all exchanges under way. Real processes; the app reports the requests that reached it.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { Browser, lookupLocalhost } from '../support/browser/browser.ts'
import { WebSocket, WebSocketServer } from 'ws'

import { ADA, Processes, RELAY } from '../support/processes.ts'
import type { Finished } from '../support/processes.ts'
import { signIn } from '../support/sign-in.ts'
import { within } from '../support/until.ts'

const HOST = 'app.localhost'
const OTHER_HOST = 'other.localhost'
const EVE = { username: 'eve', password: 'secret of eve', claims: { email: 'eve@example.com', email_verified: true } }
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

interface Row {
  id: string
  edge: string
  subject: string
  email: string
  device: string
  address: string
  first_seen_at: number
  last_seen_at: number
}

describe('sessions', { timeout: 60_000 }, () => {
  let processes: Processes
  let app: Server
  let url: string
  let requests = 0
  /** Exchanges that are open in the app. */
  const open = new Set<string>()
  const webSockets = new WebSocketServer({ noServer: true })

  before(async () => {
    app = createServer((request, response) => {
      requests++
      const path = request.url ?? ''
      if (!path.startsWith('/events')) {
        response.end('the app')
        return
      }
      open.add(path)
      response.on('close', () => {
        open.delete(path)
        app.emit('gone')
      })
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n')
    })
    app.on('upgrade', (request, socket, head) => {
      requests++
      const path = request.url ?? ''
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        open.add(path)
        webSocket.on('error', () => {}) // cut off, as it should be
        webSocket.on('close', () => {
          open.delete(path)
          app.emit('gone')
        })
      })
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider([ADA, EVE])
    await processes.startRelay({
      edges: [
        { id: 'edg_app', hosts: [HOST], policy: processes.signIn() },
        { id: 'edg_other', hosts: [OTHER_HOST], policy: processes.signIn(), backend: { labels: { edge: 'edg_app' } } },
      ],
      config: { listen: { http: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0', http2: 'all' } },
    })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'agent' })
    url = `${processes.origin(HOST)}/`
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  const command = (...args: string[]): Promise<Finished> =>
    processes.run([RELAY, 'session', ...args, '--config', processes.configFile])

  async function rows(): Promise<Row[]> {
    const listed = await command('list', '--json')
    assert.equal(listed.code, 0, listed.stderr)
    return JSON.parse(listed.stdout) as Row[] // the command's own JSON
  }

  it('are listed for people and for programs, by edge and by user, under ids that are no cookies', async () => {
    const begin = Date.now()
    const ada = await signIn(url, ADA, new Browser({ headers: { 'user-agent': FIREFOX } }))
    const eve = await signIn(`${processes.origin(OTHER_HOST)}/`, EVE)
    const all = await rows()
    assert.deepEqual(all.map(({ email, edge }) => `${email} ${edge}`).toSorted(), [
      'ada@example.com edg_app',
      'eve@example.com edg_other',
    ])
    const row = all.find(({ email }) => email === 'ada@example.com')
    assert.ok(row)
    assert.match(row.id, /^ses_[0-9a-f]{16}$/)
    assert.equal(row.device, 'Firefox 140 on Linux')
    assert.equal(row.address, '127.0.0.1')
    assert.ok(row.first_seen_at >= begin && row.last_seen_at >= row.first_seen_at)

    const table = (await command('list')).stdout.split('\n')
    assert.match(table[0] ?? '', /^ID +USER +EDGE +DEVICE +ADDRESS +FIRST SEEN \(UTC\) +LAST SEEN \(UTC\) +PROVIDER$/)
    const line = table.find((each) => each.startsWith(row.id)) ?? ''
    assert.match(line, / ada@example\.com +edg_app +Firefox 140 on Linux +127\.0\.0\.1 .* http:\/\/idp\.localhost:\d+$/)

    const [name, value] = ada.cookieHeader(url).split('=') as [string, string]
    for (const shown of [row.id, row.id.slice(4)]) {
      const answer = await new Browser().fetch(url, { headers: { cookie: `${name}=${shown}` } })
      assert.equal(answer.status, 401)
    }
    assert.doesNotMatch(JSON.stringify(all), new RegExp(value))
    assert.ok(!table.join().includes(value))
    assert.equal((await eve.fetch(`${processes.origin(OTHER_HOST)}/`)).status, 200)

    const vague = await command('revoke')
    assert.equal(vague.code, 2)
    assert.equal(vague.stderr.trim(), 'relay session revoke: say which: --id, --user, --edge or --all')
  })

  it('attack 33: end with their WebSockets and event streams, over HTTP/1.1 and HTTP/2, when they are revoked', async (t) => {
    const ada = await signIn(url)
    const cookie = ada.cookieHeader(url)
    const http2 = connectHttp2(`http://127.0.0.1:${processes.port}`)
    http2.on('error', () => {}) // reported by the events below
    try {
      const h1Events = await openEvents(processes.port, cookie)
      const h1Socket = new WebSocket(`ws://${HOST}:${processes.port}/socket-h1`, {
        lookup: lookupLocalhost,
        headers: { cookie },
      })
      await once(h1Socket, 'open')
      h1Socket.on('error', () => {}) // cut off, as it should be
      const authority = `${HOST}:${processes.port}`
      const h2Events = await openH2(http2, { ':path': '/events-h2', ':authority': authority, cookie })
      const h2Socket = await openH2(http2, {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/socket-h2',
        ':authority': authority,
        'sec-websocket-version': '13',
        cookie,
      })
      assert.deepEqual([...open].toSorted(), ['/events-h1', '/events-h2', '/socket-h1', '/socket-h2'])

      const begin = performance.now()
      const ended = [h1Events, h1Socket, h2Events, h2Socket].map(
        // Not once(): a cut is an error, too.
        (each) => new Promise<void>((resolve) => each.once('close', () => resolve())),
      )
      const revoked = await command('revoke', '--edge', 'edg_app')
      const done = performance.now()
      assert.equal(revoked.code, 0, revoked.stderr)
      assert.match(revoked.stderr, /^Ended \d sessions?\.$/)
      await Promise.all(ended)
      while (open.size > 0) await within(`${open.size} exchanges end`, once(app, 'gone'))
      t.diagnostic(
        `all four ended ${(performance.now() - done).toFixed(0)} ms after the command had, which took ${(done - begin).toFixed(0)} ms`,
      )

      const before = requests
      assert.equal((await ada.fetch(url)).status, 401)
      assert.equal(requests, before, 'no byte has reached the app')
      assert.deepEqual(
        (await rows()).map(({ edge }) => edge),
        ['edg_other'],
      )
    } finally {
      http2.destroy()
    }
  })
})

async function openEvents(port: number, cookie: string): Promise<IncomingMessage> {
  const request = get({ host: '127.0.0.1', port, path: '/events-h1', headers: { host: `${HOST}:${port}`, cookie } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(response.statusCode, 200)
  response.on('error', () => {}) // cut off, as it should be
  response.resume()
  return response
}

async function openH2(http2: ClientHttp2Session, headers: Record<string, string>): Promise<ClientHttp2Stream> {
  if (headers[':protocol'] !== undefined && !http2.remoteSettings?.enableConnectProtocol) {
    await once(http2, 'remoteSettings')
  }
  const stream = http2.request(headers, { endStream: headers[':method'] !== 'CONNECT' })
  stream.on('error', () => {}) // cut off, as it should be
  const [answer] = (await once(stream, 'response')) as [{ ':status': number }]
  assert.equal(answer[':status'], 200)
  stream.resume()
  return stream
}
