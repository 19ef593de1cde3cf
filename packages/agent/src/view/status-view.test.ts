import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { stripVTControlCharacters } from 'node:util'

import type { AgentStatus } from '../agent.ts'
import { StatusView, formatStatus } from './status-view.ts'

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
  notice: undefined,
}

describe('formatStatus', () => {
  it('shows session, relay, latency, one line per endpoint, labels and connections', () => {
    assert.deepEqual(formatStatus(status, 0).map(stripVTControlCharacters), [
      'sallyport agent   (Ctrl+C to quit)',
      '',
      'Session Status      online',
      'Relay               https://relay.example.com (0.1.0)',
      'Latency             12 ms',
      'Forwarding          https://docs.example.com -> http://localhost:8000',
      '                    https://www.example.com -> http://localhost:8000',
      'Labels              app=web, edge=edg_docs',
      'Connections         12 served, 3 open',
    ])
  })

  it('counts the connections to the relay where there are to be several', () => {
    const session = (wanted: number, online: number, state: AgentStatus['state'] = 'online'): string | undefined =>
      formatStatus({ ...status, state, sessions: { wanted, online } }, 0).map(stripVTControlCharacters)[2]
    assert.equal(session(2, 2), 'Session Status      online (2 connections)')
    assert.equal(session(2, 1), 'Session Status      online (1 of 2 connections)')
    assert.equal(session(2, 0, 'connecting'), 'Session Status      connecting')
  })

  it('shows an endpoint of its own without labels, and what to register where visitors sign in', () => {
    const tunnel = {
      name: undefined,
      labels: '',
      forwardsTo: 'http://localhost:3000',
      endpoints: ['https://name.example.com'],
      redirectUri: REDIRECT_URI,
    }
    const lines = formatStatus({ ...status, tunnels: [tunnel] }, 0).map(stripVTControlCharacters)
    assert.deepEqual(lines.slice(5, -1), [
      'Forwarding          https://name.example.com -> http://localhost:3000',
      'Redirect URI        to register at your identity provider:',
      REDIRECT_URI,
    ])
  })

  it('shows what the checks of an app say', () => {
    const [tunnel] = status.tunnels
    const withHealth = (healthy: boolean, detail: string): string | undefined =>
      formatStatus({ ...status, tunnels: [{ ...tunnel!, health: { healthy, detail } }] }, 0)
        .map(stripVTControlCharacters)
        .find((line) => line.startsWith('Health'))
    assert.equal(withHealth(true, 'GET /healthz answered 200'), 'Health              healthy')
    assert.equal(
      withHealth(false, 'GET /healthz answered 503'),
      'Health              unhealthy: GET /healthz answered 503',
    )
  })

  it('counts down to the next attempt and shows the last notice', () => {
    const waiting: AgentStatus = {
      ...status,
      state: 'waiting',
      retryAt: 10_000,
      notice: { level: 'warn', text: 'no relay answers' },
    }
    const lines = formatStatus(waiting, 6_800).map(stripVTControlCharacters)
    assert.equal(lines[2], 'Session Status      reconnecting in 4 s')
    assert.equal(lines.at(-1), 'no relay answers')
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
    shown = { ...status, connections: { total: 13, open: 3 }, notice: { level: 'info', text: 'x'.repeat(500) } }
    test.mock.timers.tick(250)
    shown = { ...shown, notice: undefined, tunnels: [] }
    view.close()
    assert.deepEqual(screen.lines, [
      'sallyport agent   (Ctrl+C to quit)',
      '',
      'Session Status      online',
      'Relay               https://relay.example.com (0.1.0)',
      'Latency             12 ms',
      'Connections         13 served, 3 open',
    ])
  })

  it('cuts lines at the width, not counting colours', () => {
    const screen = new Screen()
    screen.columns = 40
    new StatusView(screen, () => status).close()
    assert.ok(screen.lines.every((line) => line.length < 40))
    assert.equal(screen.lines[5], 'Forwarding          https://docs.exampl')
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
    assert.equal(screen.lines.at(-1), 'Connections         13 served, 3 open')
  })

  /** What stands on a terminal that folds its lines anew when it is resized, and keeps those above its top. */
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

  it('real-apps 5: says on a narrow or low terminal what fits, beginning with the state', () => {
    const screen = new Resized()
    Object.assign(screen, { columns: 12, rows: 4 })
    new StatusView(screen, () => status).close()
    assert.deepEqual(screen.lines, ['$ agent tunnel', 'online', 'https://rel', '12 ms'])
  })

  it('takes a terminal that does not say how large it is for one of 80 columns', () => {
    const lines: string[] = []
    new StatusView(
      { columns: 0, rows: 0, write: (text) => lines.push(...stripVTControlCharacters(text).split('\n')) },
      () => ({
        ...status,
        notice: { level: 'info', text: 'x'.repeat(500) },
      }),
    ).close()
    assert.ok(lines.includes('x'.repeat(79)))
  })
})
