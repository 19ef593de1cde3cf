// The agent's view, at 40, 80 and 200 columns: pictures of the screen, in `screens/`, which a terminal emulator makes
// from the agent's output in a real pseudo-terminal. One relay, and one agent for each command; between two pictures
// the terminal is resized. SALLYPORT_UPDATE_SCREENS=1 writes the pictures anew: look at them before you commit.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'

import { WebSocket } from 'ws'

import { ask } from '../support/ask.ts'
import { AGENT, Processes } from '../support/processes.ts'
import { Screen } from '../support/terminal/screen.ts'

const SCREENS = join(import.meta.dirname, 'screens')
const CTRL_C = '\u0003'
const hasScript = process.platform === 'linux' && existsSync('/usr/bin/script')
/** Nothing listens there, so the relay cannot ask this provider. */
const ISSUER = 'http://127.0.0.1:1'
const HOST = 'docs.localhost'
const READY = /online \(2 connections\)[^]*Latency +\d/

describe('the view of the agent', { skip: hasScript ? false : 'no script (util-linux)', timeout: 90_000 }, () => {
  let processes: Processes
  let app: Server
  let authtoken: string
  let screen: Screen | undefined
  before(async () => {
    app = createServer((request, response) => {
      response.statusCode = request.url?.startsWith('/missing') ? 404 : 200
      request.resume().on('end', () => response.end('hello'))
    })
    app.on('upgrade', (_, socket) => {
      socket.on('error', () => {}) // the visitor leaves it open
      socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    const allow = { domains: ['example.com'], groups: { any_of: ['staff', 'ops'] } }
    const signIn = { type: 'openid-connect', config: { issuer_url: ISSUER, client_id: 'x', allow } }
    await processes.startRelay({
      edges: [
        {
          id: 'edg_docs',
          hosts: ['a-rather-long-name-for-my-application.some-team.localhost', HOST],
          routes: [
            { path_prefix: '/' },
            { path_prefix: '/admin', policy: { on_http_request: [{ actions: [signIn] }] } },
          ],
        },
      ],
    })
    authtoken = await processes.createAuthtoken()
  })
  after(async () => {
    await processes.close()
    app.close()
  })
  afterEach(() => screen?.close())

  function open(words: string, columns: number, rows: number): Screen {
    const env = {
      ...processes.env,
      NO_COLOR: '',
      FORCE_COLOR: '',
      CI: '',
      TERM: 'xterm-256color',
      SALLYPORT_SERVER: processes.publicUrl,
      SALLYPORT_AUTHTOKEN: authtoken,
    }
    screen = new Screen(`${process.execPath} ${AGENT} ${words}`, { cwd: import.meta.dirname, env, columns, rows })
    return screen
  }

  it('wraps and cuts nothing, lists requests, and ends with a summary (the first hour, 5, 15, 17)', async () => {
    const { port } = app.address() as AddressInfo // listening on TCP
    const shown = open(`tunnel --label edge=edg_docs http://localhost:${port}`, 80, 40)
    await shown.shows(READY)
    for (const path of ['/', '/missing?token=not-shown', `/a/path/${'that-is-long/'.repeat(9)}`, '/%1b%5b2J']) {
      await ask(processes.port, { host: HOST, path })
    }
    const socket = new WebSocket(`ws://127.0.0.1:${processes.port}/socket`, { headers: { host: HOST } })
    socket.on('error', () => {}) // the app greets it wrongly
    await shown.shows(/101.*\/socket/)
    await shown.shows(/served, 0 open|served, 1 open/)
    assert.doesNotMatch(shown.bytes, /not-shown/)
    for (const columns of [80, 40, 200]) {
      shown.resize(columns, 40)
      await shown.shows({ 80: /Labels {14}e/, 40: /Labels {9}e/, 200: /Forwarding {10}h/ }[columns] ?? /./)
      compare(`tunnel-${columns}`, shown.text)
    }

    shown.resize(80, 14)
    await shown.shows(/^(?![^]*Requests)/)
    compare('tunnel-80-low', shown.visible)
    shown.resize(80, 40)
    await shown.shows(/Requests \(5\)[^]*\/$/)

    app.closeAllConnections()
    app.close()
    await ask(processes.port, { host: HOST, path: '/nobody-home' })
    await shown.shows(/could not be served: connection refused/)
    compare('tunnel-80-app-down', shown.text)
    app.listen(port, '127.0.0.1')
    await once(app, 'listening')
    await ask(processes.port, { host: HOST, path: '/well-again' })
    await shown.shows(/The app answers again/)
    assert.doesNotMatch(shown.text, /could not be served/)

    shown.press(CTRL_C)
    assert.equal(await shown.exited, 0)
    await shown.shows(/Stopped\./)
    compare('tunnel-80-stopped', shown.text)
  })

  it('shows demands on visitors, the id of the edge, and a cure, at each width (the first hour, 5, 15, 16)', async () => {
    const { port } = app.address() as AddressInfo // listening on TCP
    const signIn = `--oidc ${ISSUER} --oidc-client-id docs --oidc-allow-domain example.com --oidc-allow-group staff`
    const shown = open(`http ${port} --url app.localhost --cidr-allow 10.0.0.0/8 ${signIn}`, 80, 40)
    await shown.shows(READY)
    await shown.shows(/Something is wrong with the sign-in/)
    for (const columns of [80, 40, 200]) {
      shown.resize(columns, 40)
      await shown.shows(columns === 40 ? /Visitors {7}f/ : /Visitors {12}f/)
      if (columns === 200) await shown.shows(/app\.localhost:\d+ ->/)
      compare(`http-${columns}`, shown.text)
    }
    const [, id = ''] = /(edg_[0-9a-f]{24})/.exec(shown.text) ?? []
    await processes.relay.waitForEntry('tunnel online', ({ edgeId }) => edgeId === id)
    assert.ok(shown.bytes.includes('\u001b[32monline'), 'with colours')
    shown.press(CTRL_C)
    assert.equal(await shown.exited, 0)
  })

  it('says what to do about a refusal, with no word broken (the first hour, 5)', async () => {
    const shown = open(`tunnel --label edge=edg_docs --authtoken sp_${'x'.repeat(43)} 8000`, 40, 40)
    assert.equal(await shown.exited, 1)
    await shown.shows(/relay authtoken create/)
    compare('refused-40', shown.text)
  })
})

/** Compares a screen with its file; texts that differ in each run are replaced by others of the same width. */
function compare(name: string, text: string): void {
  const seen = text
    .replaceAll(/\b\d\d:\d\d:\d\d\b/g, '14:03:11')
    .replaceAll(/\b[1-6]\d{4}\b/g, '12345')
    .replaceAll(/edg_[0-9a-f]{24}/g, 'edg_b201e2f02c22a3a7c7143b96')
    .replaceAll(/(Latency +)\d+ ms/g, '$112 ms')
    .replaceAll(/ {1,6}[\d.]+ m?s(?= +[A-Z]+ +\/)/g, (word) => '3.4 ms'.padStart(word.length))
    .replaceAll(/\d+ served, \d+ open/g, '7 served, 1 open')
    .replaceAll(/ in \d+ (?:s|min)\./g, ' in 4 min.')
  const file = join(SCREENS, `${name}.txt`)
  if (process.env['SALLYPORT_UPDATE_SCREENS']) writeFileSync(file, `${seen}\n`)
  assert.equal(`${seen}\n`, readFileSync(file, 'utf8'), `the screen is another than ${file}`)
}
