import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import { LOOPBACK } from '../../exchange/connection.test-support.ts'
import { Exchange, type VisitorRequest, type VisitorResponse } from '../../exchange/exchange.ts'
import { parseEndpoint } from '../../model/parse-endpoint.ts'
import { loadLanguage } from '../language.ts'
import { Lasting } from '../lasting.ts'
import { CounterRooms } from './counter-rooms.ts'
import { NO_SOURCES } from '../sources/no-sources.test-support.ts'
import { rateLimit } from './rate-limit.ts'

before(loadLanguage)

const START = 1_780_000_000_000

function visitor(clientIp: string, rawHeaders: string[] = []): Exchange {
  const request = { method: 'GET', url: '/', rawHeaders, rawTrailers: [], httpVersionMinor: 1, complete: true }
  return new Exchange({
    request: request as unknown as VisitorRequest, // all that keys read
    response: {} as VisitorResponse,
    connection: { ...LOOPBACK, clientIp },
    host: 'x.example.com',
    clientIp,
    forwardedFor: clientIp,
    scheme: 'https',
  })
}

function start(options: { enforce?: boolean; keys?: string[]; capacity?: number; name?: string } = {}) {
  const { enforce = true, keys = ['conn.client_ip'], capacity = 2, name = 'by "address"' } = options
  const clock = { now: START }
  const notes: string[] = []
  const lasting = new Lasting(() => clock.now)
  const counterRooms = new CounterRooms(() => clock.now)
  const build = (edgeId = 'edg_x', tenant = 'edg_x') =>
    rateLimit(
      { name, algorithm: 'sliding_window', capacity, rate: 60_000, bucket_key: keys, enforce },
      {
        edgeId,
        tenant,
        counterRooms,
        lasting: lasting.ofEdge(edgeId, () => {}),
        leniency: { note: ({ detail }: { detail: string }) => void notes.push(detail) } as never, // all that it calls
        sources: NO_SOURCES,
        clock: () => clock.now,
        readsResult: (result) => result === 'rate_limit',
      },
    )
  const run = async (action: ReturnType<typeof build>, exchange: Exchange): Promise<RelayError | 'passed'> => {
    let passed = false
    try {
      await action(exchange, async () => void (passed = true))
    } catch (error) {
      assert.ok(error instanceof RelayError && !passed)
      return error
    }
    assert.ok(passed)
    return 'passed'
  }
  return { clock, notes, build, run }
}

describe('rate-limit (traffic policy, rate-limit)', () => {
  it('refuses what is too much from one visitor, and says when to come again', async () => {
    const { clock, build, run } = start()
    const action = build()
    for (let i = 0; i < 2; i++) assert.equal(await run(action, visitor('192.0.2.1')), 'passed')
    clock.now += 10_000
    const refused = await run(action, visitor('192.0.2.1'))
    assert.ok(refused instanceof RelayError)
    assert.equal(refused.code, 'rate_limited')
    assert.equal(refused.status, 429)
    assert.deepEqual(refused.headers, {
      'retry-after': '51',
      'ratelimit-policy': '"by \\"address\\"";q=2;w=60',
      ratelimit: '"by \\"address\\"";r=0;t=51',
    })
    assert.equal(await run(action, visitor('192.0.2.2')), 'passed')
    clock.now += 50_000 // a second before it may come
    assert.notEqual(await run(action, visitor('192.0.2.1')), 'passed')
    clock.now += 1000
    assert.equal(await run(action, visitor('192.0.2.1')), 'passed')
  })

  it('counts by all keys together, without mistaking one pair for another', async () => {
    const { build, run } = start({ capacity: 1, keys: ["getReqHeader('a')", "getReqHeader('b')"] })
    const action = build()
    const pairs = [
      ['x', 'y'],
      ['xy', ''],
      ['', 'xy'],
      ['1:x', 'y'],
      ['x', '1:y'],
      ['x'.repeat(100), 'y'],
      ['x'.repeat(101), 'y'],
      ['ä', 'y'],
    ]
    for (const [a = '', b = ''] of pairs) {
      assert.equal(await run(action, visitor('192.0.2.1', ['A', a, 'B', b])), 'passed', `${a}, ${b}`)
      assert.notEqual(await run(action, visitor('192.0.2.2', ['A', a, 'B', b])), 'passed', `${a}, ${b}`)
    }
  })

  it('takes a key that fails for an empty one, which has a bucket of its own', async () => {
    const { build, run } = start({ capacity: 1, keys: ["req.headers['x-key'][0]"] })
    const action = build()
    assert.equal(await run(action, visitor('192.0.2.1')), 'passed')
    assert.notEqual(await run(action, visitor('192.0.2.2')), 'passed', 'everybody without it shares one')
    assert.equal(await run(action, visitor('192.0.2.2', ['X-Key', 'a'])), 'passed')
  })

  it('goes on counting when the policy is built anew, each edge and action for itself', async () => {
    const { build, run } = start({ capacity: 1 })
    assert.equal(await run(build(), visitor('192.0.2.1')), 'passed')
    assert.notEqual(await run(build(), visitor('192.0.2.1')), 'passed')
    assert.equal(await run(build('edg_y'), visitor('192.0.2.1')), 'passed')
  })

  it('only says what it would refuse if it is not to be enforced', async () => {
    const { notes, build, run } = start({ capacity: 1, enforce: false })
    const action = build()
    for (let i = 0; i < 3; i++) assert.equal(await run(action, visitor('192.0.2.1')), 'passed')
    assert.equal(notes.length, 2)
  })

  it('tells later expressions what it has counted by, and whether it was too much', async () => {
    const { build, run } = start({ enforce: false, capacity: 1 })
    const keys = ['string(actions.ngrok.rate_limit.limited) + actions.sallyport.rate_limit.bucket_key']
    const second = start({ capacity: 1, keys })
    const [first, behind] = [build(), second.build()]
    const outcomes = []
    for (let i = 0; i < 3; i++) {
      const exchange = visitor('192.0.2.1')
      await run(first, exchange)
      outcomes.push((await second.run(behind, exchange)) === 'passed')
    }
    assert.deepEqual(outcomes, [true, true, false], 'not limited, limited, limited again')
  })

  it('puts a name that no header can carry into none', async () => {
    const { build, run } = start({ capacity: 1, name: 'größer\r\nX-Evil: 1' })
    const action = build()
    await run(action, visitor('192.0.2.1'))
    const refused = await run(action, visitor('192.0.2.1'))
    assert.ok(refused instanceof RelayError)
    assert.equal(refused.headers?.['ratelimit-policy'], '"rate-limit";q=1;w=60')
  })
})

describe('the memory of rate limits (traffic policy, 14.7)', () => {
  it('is shared out: nobody has the buckets of others forgotten', () => {
    const rooms = new CounterRooms(() => START, undefined, { tenantMax: 100, allMax: 250 })
    const alice = rooms.counter('alice', 60_000, 'of alice')
    alice.take('a', 1, START)
    const mallory = rooms.counter('mallory', 60_000, 'of mallory')
    for (let i = 0; i < 1000; i++) mallory.take(`${i}`, 1, START)
    assert.ok(alice.take('a', 1, START) > 0)
    // Of all together the largest room gives.
    for (const tenant of ['bob', 'carol', 'dave']) {
      const counter = rooms.counter(tenant, 60_000, `of ${tenant}`)
      for (let i = 0; i < 90; i++) counter.take(`${i}`, 1, START)
    }
    assert.ok(alice.take('a', 1, START) > 0)
    mallory.close()
    alice.close()
    assert.equal(rooms.counter('alice', 60_000, 'of alice').take('a', 1, START), 0)
  })
})

describe('rate-limit as it is written (traffic policy, rate-limit)', () => {
  const problemsOf = (config: object): string => {
    const policy = { on_http_request: [{ actions: [{ type: 'rate-limit', config }] }] }
    const parsed = parseEndpoint(policy, {
      id: 'edg_x',
      host: 'x.example.com',
      publicUrl: new URL('https://relay.example.com'),
      issuers: { problemOf: () => undefined },
      identityJwt: true,
    })
    return parsed.ok ? '' : parsed.problems.map(({ path, message }) => `${path.slice(5).join('.')} ${message}`).join()
  }
  const WHOLE = { name: 'n', algorithm: 'sliding_window', capacity: 10, rate: '60s', bucket_key: ['conn.client_ip'] }

  it('may be an agent’s, in the form that ngrok has', () => {
    assert.equal(problemsOf(WHOLE), '')
    assert.equal(problemsOf({ ...WHOLE, bucket_key: ["req.headers['x-forwarded-for']", 'req.url.path'] }), '')
  })

  it('says what is wrong, and where inside an expression', () => {
    assert.match(problemsOf({ ...WHOLE, bucket_key: ['req.method', 'conn.clientip'] }), /^bucket_key.1 .*client_ip/)
    assert.match(problemsOf({ ...WHOLE, bucket_key: ['${conn.client_ip}'] }), /^bucket_key.0 expressions are CEL/)
    assert.match(problemsOf({ ...WHOLE, bucket_key: ['req.method + '] }), /^bucket_key.0 /)
    assert.match(problemsOf({ ...WHOLE, bucket_key: [] }), /^bucket_key an empty list would count nothing/)
    assert.match(problemsOf({ ...WHOLE, bucket_key: Array(11).fill('req.method') }), /^bucket_key has more than 10/)
    assert.match(problemsOf({ ...WHOLE, rate: '25h' }), /^rate must be from 1s to 24h/)
    assert.match(problemsOf({ ...WHOLE, capacity: 0 }), /^capacity must be at least 1/)
    assert.match(problemsOf({ ...WHOLE, algorithm: 'token_bucket' }), /^algorithm /)
    assert.match(problemsOf({ ...WHOLE, name: 'x'.repeat(1024) }), /^name is longer than 1023/)
  })
})
