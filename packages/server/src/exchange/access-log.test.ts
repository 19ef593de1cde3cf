import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it, mock } from 'node:test'

import { pino } from 'pino'

import { RelayError } from '../errors.ts'
import { createLog } from '../log.ts'
import type { Logger } from '../log.ts'
import { AccessLog } from './access-log.ts'
import type { Exchange } from './exchange.ts'

const CONTROLS = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code))
const ODD = [
  '',
  ...CONTROLS,
  ...CONTROLS.map((control) => `before${control}behind`),
  'a"b\\c/d',
  'grüße \u2028\u2029\u202e \u{1f600}',
  '\ud800',
  '\udfff',
  'high \ud83d alone',
  '\udc00\ud800 the wrong way round',
  '\ue000\ufeff\uffff',
  '__proto__',
  '***',
  ...[127, 128, 129, 2047, 2048, 2049, 20_000].flatMap((length) => [
    'x'.repeat(length),
    `${'x'.repeat(length - 1)}"`,
    `${'x'.repeat(length - 1)}\u{1f600}`,
  ]),
]

const USUAL = {
  requestId: 'req_x8k2pq1f',
  method: 'GET',
  host: 'app.localhost',
  path: '/page',
  status: 200,
  clientIp: '127.0.0.1',
  edgeId: 'edg_app',
  tunnelId: 'tun_1',
  user: 'ada',
  error: undefined as { code: string; publicCode?: string; detail?: string | undefined } | undefined,
  cutReason: undefined as Error | undefined,
}

type Parts = Partial<{ [Name in keyof typeof USUAL]: (typeof USUAL)[Name] | undefined }>

/** @param parts replace the usual ones, or add others of an exchange */
function exchangeOf(parts: Parts & { identity?: object; request?: object; target?: string }): Exchange {
  const path = parts.path ?? USUAL.path
  return { ...USUAL, startedAt: performance.now() - 1, ...parts, visitorPath: path } as unknown as Exchange // a line reads only this
}

/** The line that pino writes for the same data. */
function byPino(log: Logger, exchange: Exchange, milliseconds: number): void {
  const { path, error } = exchange
  log.info(
    {
      requestId: exchange.requestId,
      method: exchange.method,
      host: exchange.host,
      path: path.length > 2048 ? `${path.slice(0, 2048)}…` : path,
      status: exchange.status,
      ms: Math.round(milliseconds * 10) / 10,
      clientIp: exchange.clientIp,
      edgeId: exchange.edgeId || undefined,
      tunnelId: exchange.tunnelId,
      user: exchange.user,
      code: error?.publicCode,
      detail: error?.detail ?? exchange.cutReason?.message,
    },
    'exchange',
  )
}

describe('AccessLog', () => {
  let lines: string[]
  const output = { write: (line: string): void => void lines.push(line) }
  beforeEach(() => {
    lines = []
    mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 30, 20, 1, 2, 3) })
    mock.method(performance, 'now', () => Date.now() - Date.UTC(2026, 10, 30))
  })
  afterEach(() => {
    mock.timers.reset()
    mock.restoreAll()
  })

  function assertSame(log: Logger, exchange: Exchange, milliseconds = 1.94): void {
    lines = []
    const now = performance.now()
    Object.assign(exchange, { startedAt: now - milliseconds })
    new AccessLog(log).write(exchange, now)
    byPino(log, exchange, now - exchange.startedAt)
    assert.equal(lines.length, 2)
    assert.equal(lines[0], lines[1])
  }

  it('writes the same line as pino, whatever its texts', () => {
    const log = createLog({ level: 'info' }, output)
    assertSame(log, exchangeOf({}))
    assert.equal(
      lines[0],
      '{"level":30,"time":"2026-11-30T20:01:02.003Z","requestId":"req_x8k2pq1f","method":"GET","host":"app.localhost",' +
        '"path":"/page","status":200,"ms":1.9,"clientIp":"127.0.0.1","edgeId":"edg_app","tunnelId":"tun_1","user":"ada","msg":"exchange"}\n',
    )
    for (const odd of ODD) {
      for (const name of ['method', 'host', 'path', 'clientIp', 'edgeId', 'tunnelId'] as const) {
        assertSame(log, exchangeOf({ [name]: odd }))
      }
      assertSame(log, exchangeOf({ user: odd }))
      assertSame(log, exchangeOf({ error: { code: 'denied', publicCode: odd, detail: odd } }))
      assertSame(log, exchangeOf({ cutReason: new Error(odd) }))
    }
  })

  it('leaves out the same values as pino', () => {
    const log = createLog({ level: 'info' }, output)
    for (const name of ['tunnelId', 'user', 'error', 'cutReason'] as const) {
      assertSame(log, exchangeOf({ [name]: undefined }))
    }
    const nothing = { edgeId: '', tunnelId: undefined, user: undefined }
    assertSame(log, exchangeOf(nothing))
    assertSame(log, exchangeOf({ ...nothing, error: { code: 'denied' } }))
    assertSame(log, exchangeOf({ ...nothing, error: { code: 'denied' }, cutReason: new Error('gone') }))
  })

  it('writes numbers and times as pino does', () => {
    const log = createLog({ level: 'info' }, output)
    for (const ms of [0, -0, 0.04, 0.05, 0.1 + 0.2, 12, 12.34, 99.95, 1e5 + 0.15, 86_400_000.06, 1e20, 1e22]) {
      assertSame(log, exchangeOf({ status: Math.round(ms) % 600 }), ms)
    }
    const accessLog = new AccessLog(log)
    for (let tick = 0; tick < 5; tick++) {
      lines = []
      accessLog.write(exchangeOf({}), performance.now())
      accessLog.write(exchangeOf({}), performance.now())
      byPino(log, exchangeOf({}), 1)
      assert.deepEqual(new Set(lines).size, 1)
      mock.timers.tick(tick * 500)
    }
  })

  it('follows a clock that was set within a second', () => {
    let monotonic = 5000
    mock.method(performance, 'now', () => monotonic)
    const accessLog = new AccessLog(createLog({ level: 'info' }, output))
    const timeAfter = (ms: number): unknown => {
      monotonic += ms
      accessLog.write(exchangeOf({}), monotonic)
      return (JSON.parse(lines.pop() ?? '') as { time: unknown }).time // a line is JSON
    }
    assert.equal(timeAfter(0), '2026-11-30T20:01:02.003Z')
    mock.timers.setTime(Date.UTC(2026, 10, 30, 19))
    assert.equal(timeAfter(999), '2026-11-30T20:01:03.002Z')
    assert.equal(timeAfter(1), '2026-11-30T19:00:00.000Z')
  })

  it('keeps the bindings of the log, such as the number of a worker', () => {
    const worker = createLog({ level: 'info' }, output).child({ worker: 2 })
    assertSame(worker, exchangeOf({}))
    assert.match(lines[0] ?? '', /"time":"[^"]+","worker":2,"requestId":/)
    assertSame(worker.child({ odd: ODD.join(''), token: 'kept', flag: true, nothing: null }), exchangeOf({}))
  })

  it('obeys the level of the log, also when that changes', () => {
    const log = createLog({ level: 'warn' }, output)
    const accessLog = new AccessLog(log)
    accessLog.write(exchangeOf({}), performance.now())
    assert.equal(lines.length, 0)
    log.level = 'info'
    accessLog.write(exchangeOf({}), performance.now())
    assert.equal(lines.length, 1)
    new AccessLog(createLog({ level: 'silent' }, output)).write(exchangeOf({}), performance.now())
    assert.equal(lines.length, 1)
  })

  it('leaves lines for people, and foreign logs, to their logger', () => {
    const log = createLog({ level: 'info', format: 'pretty' }, output)
    assertSame(log, exchangeOf({}))
    lines = []
    new AccessLog(log, (tunnelId) => `agent of ${tunnelId}`).write(exchangeOf({}), performance.now())
    const [line] = lines.map((each) => JSON.parse(each) as { agent?: string; time: unknown }) // pino wrote it
    assert.deepEqual([line?.agent, typeof line?.time], ['agent of tun_1', 'number'])
    assertSame(pino({ base: { pid: 1 } }, output), exchangeOf({}))
  })

  it('writes a fault of the relay with its stack, as an error', () => {
    const log = createLog({ level: 'info' }, output).child({ worker: 2 })
    const error = new RelayError('internal', { cause: new TypeError('x is no y') })
    new AccessLog(log).write(exchangeOf({ error }), performance.now())
    const [line] = lines.map((each) => JSON.parse(each) as Record<string, unknown>) // the log is JSON
    assert.equal(line?.level, 50)
    assert.equal(line?.worker, 2)
    assert.match(JSON.stringify(line?.err), /TypeError.*x is no y.*access-log\.test/)
  })

  it('attack 44: writes only the listed fields of an exchange', () => {
    const log = createLog({ level: 'info' }, output)
    const secret = { authorization: 'evil', cookie: 'evil' }
    const identity = { subject: 'ada', accessToken: 'evil', jwt: 'evil' }
    const exchange = exchangeOf({ identity, request: { headers: secret }, target: '/page?code=evil' })
    new AccessLog(log).write(exchange, performance.now())
    assert.equal(lines.length, 1)
    assert.doesNotMatch(lines.join(''), /evil/)
  })
})
