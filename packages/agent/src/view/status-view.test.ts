import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'

import type { AgentStatus } from '../agent.ts'
import { farewellOf, formatStatus } from './status-lines.ts'
import { StatusView } from './status-view.ts'
import { widthOf } from './text-width.ts'

const REDIRECT_URI = 'https://relay.example.com/oidc/callback/login.example.com-4b246bc1a12459de3b10'

const status: AgentStatus = {
  state: 'online',
  relay: 'https://relay.example.com',
  relayVersion: '0.1.0',
  latencyMs: 11.6,
  tunnels: [
    {
      name: undefined,
      labels: 'app=web, edge=edg_docs',
      forwardsTo: 'http://localhost:8000',
      endpoints: ['https://docs.example.com', 'https://www.example.com'],
    },
  ],
  sessions: { wanted: 1, online: 1 },
  connections: { total: 12, open: 3 },
  retryAt: undefined,
  messages: [],
}

// oxlint-disable-next-line no-control-regex
const COLOUR = /\u001b\[\d+m/g

const linesOf = (shown: Partial<AgentStatus>, width = 79, height = Infinity): string[] =>
  formatStatus({ ...status, ...shown }, 0, width, height).map(stripVTControlCharacters)

describe('formatStatus', () => {
  it('shows session, relay, latency, addresses, labels and connections', () => {
    assert.deepEqual(linesOf({}), [
      'sallyport agent   (Ctrl+C to quit)',
      '',
      'Session Status      online',
      'Relay               https://relay.example.com (0.1.0)',
      'Latency             12 ms',
      'Forwarding          https://docs.example.com',
      '                    https://www.example.com',
      '                    -> http://localhost:8000',
      'Labels              app=web, edge=edg_docs',
      'Connections         12 served, 3 open',
    ])
  })

  it('counts the connections to the relay if there should be several', () => {
    const session = (wanted: number, online: number, state: AgentStatus['state'] = 'online'): string | undefined =>
      linesOf({ state, sessions: { wanted, online } })[2]
    assert.equal(session(2, 2), 'Session Status      online (2 connections)')
    assert.equal(session(2, 1), 'Session Status      online (1 of 2 connections)')
    assert.equal(session(2, 0, 'connecting'), 'Session Status      connecting')
  })

  it('shows its own endpoint without labels, and the URI to register if visitors sign in', () => {
    const tunnel = {
      name: undefined,
      labels: '',
      forwardsTo: 'http://localhost:3000',
      endpoints: ['https://name.example.com'],
      edges: [{ id: 'edg_b201e2f02c22a3a7c7143b96', visitors: ['everybody, says the relay'] }],
      visitors: 'sign-in at login.example.com',
      redirectUri: REDIRECT_URI,
    }
    assert.deepEqual(linesOf({ tunnels: [tunnel] }).slice(5, -1), [
      'Forwarding          https://name.example.com -> http://localhost:3000',
      'Visitors            sign-in at login.example.com',
      'Edge                edg_b201e2f02c22a3a7c7143b96',
      'Redirect URI        to register at your identity provider:',
      REDIRECT_URI,
    ])
  })

  it('shows who may visit, for each edge that leads here (the first hour, 15)', () => {
    const [tunnel] = status.tunnels
    const edges = [
      { id: 'edg_docs', visitors: ['everybody'] },
      { id: 'edg_team', visitors: ['from 10.0.0.0/8, and sign-in at login.example.com (only @example.com)'] },
    ]
    assert.deepEqual(linesOf({ tunnels: [{ ...tunnel!, edges }] }).slice(8, 13), [
      'Visitors            everybody (edg_docs)',
      '                    from 10.0.0.0/8, and sign-in at login.example.com (only',
      '                      @example.com) (edg_team)',
      'Edge                edg_docs',
      '                    edg_team',
    ])
    const alike = edges.map(({ id }) => ({ id, visitors: ['everybody'] }))
    const visitors = linesOf({ tunnels: [{ ...tunnel!, edges: alike }] }).filter((line) => line.includes('everybody'))
    assert.deepEqual(visitors, ['Visitors            everybody'])
  })

  it('shows the results of an app’s checks', () => {
    const [tunnel] = status.tunnels
    const withHealth = (healthy: boolean, detail: string): string | undefined =>
      linesOf({ tunnels: [{ ...tunnel!, health: { healthy, detail } }] }).find((line) => line.startsWith('Health'))
    assert.equal(withHealth(true, 'GET /healthz answered 200'), 'Health              healthy')
    assert.equal(
      withHealth(false, 'GET /healthz answered 503'),
      'Health              unhealthy: GET /healthz answered 503',
    )
  })

  it('counts down to the next attempt and shows each message with its time', () => {
    const at = new Date(2026, 0, 1, 14, 3, 11).getTime()
    const messages = [{ level: 'warn', text: 'no relay answers at https://relay.example.com', at }] as const
    const lines = formatStatus({ ...status, state: 'waiting', retryAt: 10_000, messages }, 6_800, 40)
    const plain = lines.map(stripVTControlCharacters)
    assert.equal(plain[2], 'Session Status reconnecting in 4 s')
    assert.deepEqual(plain.slice(-3), ['', '14:03:11 no relay answers at', '         https://relay.example.com'])
  })

  it('lists requests, each in one line that no visitor can leave (the first hour, 15)', () => {
    const at = new Date(2026, 0, 1, 14, 3, 11).getTime()
    const last = [
      { at, method: 'GET', path: `/${'x'.repeat(60)}`, status: 200, ms: 3.44 },
      { at, method: 'PROPFIND', path: '/\u001b[2J\u009b', status: 502, ms: 61_000 },
      { at, method: 'POST', path: '/', status: undefined, ms: undefined },
    ]
    assert.deepEqual(linesOf({ requests: { total: 13, last } }, 50).slice(-5), [
      '',
      'Requests (13)',
      `14:03:11 200  3.4 ms GET  /${'x'.repeat(22)}…`,
      '14:03:11 502   1 min PROPFIND /\ufffd[2J\ufffd',
      '14:03:11 -           POST /',
    ])
  })

  it('lets no name move the cursor', () => {
    const bad = 'x\u001b[2J\u009b1A\u202e\ry'
    const edges = [{ id: bad, visitors: [bad, bad] }]
    const health = { healthy: false, detail: bad }
    const tunnel = { name: bad, labels: bad, forwardsTo: bad, endpoints: [bad], edges, redirectUri: bad, health }
    const last = [{ at: 0, method: bad, path: bad, status: 200, ms: 1 }]
    const messages = [{ level: 'warn', text: bad, at: 0 }] as const
    const hostile = {
      ...status,
      relay: bad,
      relayVersion: bad,
      tunnels: [tunnel],
      messages,
      requests: { total: 1, last },
    }
    for (const width of [20, 40, 80]) {
      const text = formatStatus(hostile, 0, width).join('').replaceAll(COLOUR, '')
      assert.doesNotMatch(text, /[\p{Cc}\p{Bidi_Control}]/u)
    }
  })

  const REASON =
    'The certificate of localhost:8443 is not trusted (UNABLE_TO_VERIFY_LEAF_SIGNATURE); give its authority with --ca FILE.'

  for (const width of [39, 79, 199]) {
    it(`cuts no address, message or cure, and breaks no word that fits, ${width} columns wide (the first hour, 5)`, () => {
      const endpoints = [
        'https://a-rather-long-name-for-my-application.some-team.example.com',
        'https://docs.example.com',
      ]
      const forwardsTo = 'http://日本語のとても長い名前のアプリケーションサーバー.example:8000/with/a/path'
      const tunnels = [{ ...status.tunnels[0]!, endpoints, forwardsTo, redirectUri: REDIRECT_URI }]
      const lines = linesOf({ tunnels, messages: [{ level: 'warn', text: REASON, at: 0 }] }, width)
      assert.ok(lines.every((line) => widthOf(line) <= width))
      const joined = lines.map((line) => line.trimStart()).join('')
      for (const whole of [...endpoints, forwardsTo, REDIRECT_URI]) assert.ok(joined.includes(whole), lines.join('\n'))
      for (const word of REASON.split(' ')) assert.ok(lines.some((line) => line.includes(word)))
    })
  }

  it('drops the oldest requests first on a low terminal, but never addresses or messages', () => {
    const last = [3, 2, 1].map((count) => ({ at: 0, method: 'GET', path: `/${count}`, status: 200, ms: 1 }))
    const requests = { total: 3, last }
    const messages = [{ level: 'warn', text: REASON, at: 0 }] as const
    const all = linesOf({ requests, messages })
    for (let height = all.length; height >= 5; height--) {
      const lines = linesOf({ requests, messages }, 79, height)
      assert.ok(lines.length <= height)
      const text = lines.join('\n')
      for (const word of ['https://docs.example.com', 'http://localhost:8000', '--ca FILE'])
        assert.ok(text.includes(word))
      if (text.includes('/1')) assert.ok(text.includes('/2'))
      if (text.includes('/3')) assert.ok(text.includes('Labels'))
    }
    assert.equal(linesOf({ requests, messages }, 79, 3).length, 3)
  })
})

describe('farewellOf', () => {
  it('says what the agent did (the first hour, 17)', () => {
    const did = (total: number, ms: number): string => farewellOf({ ...status, requests: { total, last: [] } }, ms)
    assert.equal(did(13, 4 * 60_000), 'Stopped. 13 requests in 4 min.')
    assert.equal(did(1, 3.2 * 3_600_000), 'Stopped. 1 request in 3 h 12 min.')
    assert.equal(did(0, 2000), 'Stopped. 12 connections in 2 s.', 'of HTTP/2 nothing else is known')
    const idle = { ...status, connections: { total: 0, open: 0 }, requests: { total: 0, last: [] } }
    assert.equal(farewellOf(idle, 50 * 3_600_000), 'Stopped. 0 requests in 2 d 2 h.')
  })
})

describe('StatusView', () => {
  /** Follows the few control sequences that the view writes, as a terminal would. */
  class Screen {
    columns = 60
    writes = 0
    lines: string[] = []
    write(text: string): void {
      this.writes += 1
      // oxlint-disable-next-line no-control-regex
      const up = /\u001b\[(\d+)F/.exec(text)
      if (up) this.lines.length -= Number(up[1])
      const plain = stripVTControlCharacters(text)
      if (plain !== '') this.lines.push(...plain.replace(/\n$/, '').split('\n'))
    }
  }

  it('redraws in place, only when something has changed, and never wraps a line', (test) => {
    test.mock.timers.enable({ apis: ['setInterval'] })
    const screen = new Screen()
    let shown: AgentStatus = status
    const view = new StatusView(
      screen,
      () => shown,
      () => 0,
    )
    const before = screen.writes
    test.mock.timers.tick(1000)
    assert.equal(screen.writes, before)
    shown = {
      ...status,
      connections: { total: 13, open: 3 },
      messages: [{ level: 'info', text: 'x'.repeat(500), at: 0 }],
    }
    test.mock.timers.tick(250)
    shown = { ...shown, messages: [], tunnels: [] }
    view.close()
    assert.deepEqual(screen.lines, [
      'sallyport agent   (Ctrl+C to quit)',
      '',
      'Session Status online',
      'Relay          https://relay.example.com (0.1.0)',
      'Latency        12 ms',
      'Connections    13 served, 3 open',
      '',
      'Stopped. 13 connections in 0 s.',
    ])
  })

  it('S1: shows a redirect URI whole, however narrow the terminal is, and still redraws in place', () => {
    const screen = new Screen()
    screen.columns = 40
    let shown: AgentStatus = { ...status, tunnels: [{ ...status.tunnels[0]!, redirectUri: REDIRECT_URI }] }
    const view = new StatusView(screen, () => shown)
    assert.ok(screen.lines.every((line) => line.length < 40))
    assert.ok(screen.lines.join('').includes(REDIRECT_URI), screen.lines.join('\n'))
    shown = { ...shown, connections: { total: 13, open: 3 } }
    view.close()
    assert.equal(screen.lines.filter((line) => line.startsWith('Redirect URI')).length, 1)
    assert.equal(screen.lines.at(-3), 'Connections    13 served, 3 open')
  })

  /** The content of a terminal that wraps its lines again when it is resized, and keeps the lines above its top. */
  class Resized {
    columns = 100
    rows = 30
    lines: string[] = ['$ agent tunnel']

    write(text: string): void {
      const plain = stripVTControlCharacters(text)
      if (plain === '') return
      // oxlint-disable-next-line no-control-regex
      const up = Number(/\u001b\[(\d+)F/.exec(text)?.[1] ?? 0)
      const heights = this.lines.map(({ length }) => Math.max(1, Math.ceil(length / this.columns)))
      const height = heights.reduce((sum, each) => sum + each, 0)
      const top = Math.max(0, height + 1 - this.rows) // the cursor has a row of its own
      let left = Math.max(top, height - up)
      const kept = this.lines.flatMap((line, index) => {
        const rows = Math.min(left, heights[index]!) // there is one for each
        left -= rows
        return rows > 0 ? [line.slice(0, rows * this.columns)] : []
      })
      this.lines = [...kept, ...plain.replace(/\n$/, '').split('\n')]
    }
  }

  it('real-apps 5: leaves nothing of an older view above the new one, however the terminal is resized', (test) => {
    const redirectUri = REDIRECT_URI
    const shown: AgentStatus = { ...status, tunnels: [{ ...status.tunnels[0]!, redirectUri }] }
    const screen = new Resized()
    const view = new StatusView(screen, () => shown)
    test.after(() => view.close())
    const whole = screen.lines
    for (const [columns, rows] of [
      [40, 8],
      [12, 3],
      [120, 25],
      [60, 6],
      [61, 5],
      [100, 30],
    ] as const) {
      Object.assign(screen, { columns, rows })
      view.draw()
      if (rows >= 25) assert.deepEqual(screen.lines, whole)
    }
  })

  it('real-apps 5: shows as much as fits on a narrow or low terminal, addresses first', () => {
    const screen = new Resized()
    Object.assign(screen, { columns: 12, rows: 4 })
    new StatusView(screen, () => status).close()
    assert.deepEqual(screen.lines.slice(0, 4), ['$ agent tunnel', 'https://doc', 's.example.c', 'om'])
  })

  it('assumes 80 columns if a terminal does not say its size', () => {
    const lines: string[] = []
    new StatusView(
      { columns: 0, rows: 0, write: (text) => lines.push(...stripVTControlCharacters(text).split('\n')) },
      () => ({
        ...status,
        messages: [{ level: 'info', text: 'x'.repeat(500), at: 0 }],
      }),
    ).close()
    assert.ok(lines.includes('x'.repeat(79)))
  })
})
