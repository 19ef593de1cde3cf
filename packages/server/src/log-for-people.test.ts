import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { LogForPeople } from './log-for-people.ts'

const TIME = new Date(2026, 10, 30, 7, 13, 16, 250).getTime()
const SERVED = {
  level: 30,
  time: TIME,
  requestId: 'req_x8k2pq1f',
  method: 'GET',
  host: 'docs.example.com',
  path: '/guide',
  status: 200,
  ms: 1.9,
  clientIp: '192.0.2.1',
  edgeId: 'edg_docs',
  tunnelId: 'tun_96hOSC7PfD0xhnhobVQj72',
  agent: 'laptop',
  user: 'ada',
  msg: 'exchange',
}
const { agent: _, tunnelId: __, ...UNSERVED } = SERVED
const REFUSED = { ...UNSERVED, status: 403, code: 'ERR_NOT_ALLOWED', detail: 'not_listed' }

function linesFor(columns: number | undefined, ...lines: object[]): string[] {
  const log = new LogForPeople({ hasColours: false, columns: () => columns })
  return lines.map((line) => {
    const text = log.write(JSON.stringify(line))
    assert.ok(text.endsWith('\n'))
    return text.slice(0, -1)
  })
}

describe('first-hour 10: the log on a terminal', () => {
  it('is one line for a request, in columns', () => {
    assert.deepEqual(
      linesFor(132, SERVED, REFUSED, { ...SERVED, path: '/', method: 'DELETE', status: 502, ms: 12_345 }),
      [
        '07:13:16 200   1.9ms GET  docs.example.com/guide                        edg_docs laptop ada req_x8k2pq1f',
        '07:13:16 403   1.9ms GET  docs.example.com/guide                        edg_docs        ada ERR_NOT_ALLOWED req_x8k2pq1f not_listed',
        '07:13:16 502     12s DELETE docs.example.com/                           edg_docs laptop ada req_x8k2pq1f',
      ],
    )
  })

  it('names a tunnel whose agent has no name by the beginning of its id', () => {
    assert.match(linesFor(132, { ...SERVED, agent: undefined })[0] ?? '', / edg_docs tun_96hOSC7P ada /)
  })

  it('fits into 80 columns by shortening the host and then the path', () => {
    const [served = '', refused = '', long = ''] = linesFor(
      80,
      SERVED,
      { ...REFUSED, detail: undefined, code: 'ERR_CREDENTIALS_REQUIRED', user: undefined },
      { ...SERVED, path: `/${'a'.repeat(500)}` },
    )
    assert.equal(served, '07:13:16 200   1.9ms GET  docs.example.com/guide laptop ada req_x8k2pq1f')
    assert.equal(refused, '07:13:16 403   1.9ms GET  docs.exam…/guide ERR_CREDENTIALS_REQUIRED req_x8k2pq1f')
    assert.equal(long, '07:13:16 200   1.9ms GET  docs.example.c…/aaaaaaaaaaaaa… laptop ada req_x8k2pq1f')
    for (const line of [served, refused, long]) assert.ok(line.length <= 80, line)
  })

  it('cuts nothing if it goes to a file', () => {
    const [line = ''] = linesFor(undefined, { ...SERVED, path: `/${'a'.repeat(500)}` })
    assert.ok(line.includes(`/${'a'.repeat(500)} edg_docs laptop ada req_x8k2pq1f`))
  })

  it('is one line for every other message, with short ids, and a stack below', () => {
    assert.deepEqual(
      linesFor(
        80,
        {
          level: 30,
          time: TIME,
          sessionId: 'tse_692e8c1d-aeee-460f-8ae9-5410e083d0d3',
          instanceId: 'aa6a4c46-a36a-4c34-9f76-6f98710482d0',
          labels: { edge: 'edg_docs', app: 'a' },
          worker: 2,
          metadata: 'my laptop',
          msg: 'agent connected',
        },
        { level: 40, time: TIME, msg: 'draining' },
        { level: 50, time: TIME, msg: 'internal error', err: { message: 'x', stack: 'Error: x\n  at y' } },
      ),
      [
        '07:13:16 INFO agent connected  sessionId=tse_692e8c1d labels=edge=edg_docs,app=a worker=2 metadata="my laptop"',
        '07:13:16 WARN draining',
        '07:13:16 ERROR internal error\n    Error: x\n      at y',
      ],
    )
  })

  it('has colours only for terminals that show them', () => {
    const coloured = new LogForPeople({ hasColours: true, columns: () => 80 }).write(JSON.stringify(REFUSED))
    // oxlint-disable-next-line no-control-regex
    const codes = /\u001b\[\d+m/g
    assert.match(coloured, codes)
    assert.equal(coloured.replaceAll(codes, '').trimEnd(), linesFor(80, REFUSED)[0])
  })

  it('lets no text from outside move the cursor or begin a line', () => {
    const evil = 'a\u001b[2J\r\n07:13:16 200 forged\u009b\u007f\u202e'
    for (const line of linesFor(
      200,
      ...['method', 'host', 'path', 'edgeId', 'agent', 'user', 'code', 'detail'].map((name) => ({
        ...SERVED,
        [name]: evil,
      })),
      { level: 30, time: TIME, msg: evil, metadata: evil, labels: { [evil]: evil } },
    )) {
      assert.doesNotMatch(line, /[\p{Cc}\u202e]/u)
      assert.match(line, /forged/)
    }
    const [stack = ''] = linesFor(80, { level: 50, time: TIME, msg: 'x', err: { stack: `Error: ${evil}` } })
    assert.doesNotMatch(stack.replaceAll('\n    ', ''), /[\p{Cc}\u202e]/u)
  })
})
