// Large bodies through relay and agent as processes of their own: every byte arrives, and neither of them keeps more
// than a bounded part, however slow the other end is.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { Browser, lookupLocalhost } from '../support/browser/browser.ts'

import { Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { until } from '../support/until.ts'

const MIB = 1024 * 1024
const BODY_BYTES = 200 * MIB
const GROWTH_MAX_BYTES = 80 * MIB // windows are 16 MiB at most; the rest is Node's own heap and its garbage
const SAMPLE_MS = 20
// One block, again and again: the hash sees every byte's place, and making it costs nothing.
const block = randomBytes(MIB)

describe('large bodies', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let agent: RunningProcess
  let origin: string
  /** Bytes that the app has been able to hand over. */
  let written = 0

  before(async () => {
    app = createServer((request, response) => {
      if (request.method === 'POST') return void answerHash(request, response)
      written = 0
      response.setHeader('content-length', BODY_BYTES)
      return void pipeline(
        body((bytes) => (written += bytes)),
        response,
      ).catch(() => {}) // visitors may leave
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startRelay({ edges: [{ id: 'edg_app', hosts: ['app.localhost'] }] })
    const authtoken = await processes.createAuthtoken()
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    agent = (await processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name: 'agent' })).process
    origin = processes.origin('app.localhost')
    await ask('GET', Readable.from([])).then(drain) // warm: code and heap are ready
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  it(`download ${BODY_BYTES / MIB} MiB intact, with bounded memory`, async (test) => {
    const expected = hashOfBody()
    const memory = watchMemory()
    const answer = await ask('GET')
    assert.equal(answer.headers['content-length'], String(BODY_BYTES))
    assert.equal((await drain(answer)).digest('hex'), expected)
    memory.check(test)
  })

  it(`upload ${BODY_BYTES / MIB} MiB intact, with and without a length, with bounded memory`, async (test) => {
    const expected = hashOfBody()
    const memory = watchMemory()
    for (const headers of [{ 'content-length': String(BODY_BYTES) }, {}]) {
      const answer = await ask('POST', body(), headers)
      assert.equal(await text(answer), expected)
    }
    memory.check(test)
  })

  it('waits for a slow reader with bounded memory, serves others meanwhile, and loses nothing', async (test) => {
    const memory = watchMemory()
    const answer = await ask('GET')
    answer.pause()
    await untilStill(() => written)
    assert.ok(written < BODY_BYTES / 2, `the app was held back after ${Math.round(written / MIB)} MiB`)
    test.diagnostic(`${Math.round(written / MIB)} MiB are under way to a reader that does not read`)
    const held = written
    // The other visitor has another connection, through the same agent.
    const { body: hash } = await new Browser().fetch(origin, { method: 'POST', body: 'small' })
    assert.equal(hash, createHash('sha256').update('small').digest('hex'))
    assert.equal(written, held, 'still held back')
    assert.equal((await drain(answer)).digest('hex'), hashOfBody())
    memory.check(test)
  })

  async function ask(method: string, sent?: Readable, headers: Record<string, string> = {}): Promise<IncomingMessage> {
    const request = httpRequest(origin, { method, headers, agent: false, lookup: lookupLocalhost })
    const answered = once(request, 'response')
    if (sent) await Promise.all([pipeline(sent, request), answered])
    else request.end()
    const [answer] = (await answered) as [IncomingMessage]
    return answer
  }

  /** Samples the memory of relay and agent until check() is called. */
  function watchMemory(): { check: (test: TestContext) => void } {
    const watched = [processes.relay, agent].map((one) => ({ one, before: one.residentBytes, highest: 0 }))
    const sample = (): void => {
      for (const each of watched) each.highest = Math.max(each.highest, each.one.residentBytes ?? 0)
    }
    const timer = setInterval(sample, SAMPLE_MS)
    return {
      check: (test) => {
        sample()
        clearInterval(timer)
        for (const { one, before, highest } of watched) {
          if (before === undefined) {
            test.diagnostic('memory is not looked at: this system has no /proc')
            return
          }
          const grown = highest - before
          test.diagnostic(`${one.name}: from ${Math.round(before / MIB)} MiB, grew by ${Math.round(grown / MIB)} MiB`)
          assert.ok(grown < GROWTH_MAX_BYTES, `${one.name} grew by ${grown} bytes`)
        }
      },
    }
  }
})

function body(onBlock: (bytes: number) => void = () => {}): Readable {
  let left = BODY_BYTES
  return new Readable({
    highWaterMark: MIB,
    read() {
      if (left === 0) return void this.push(null)
      left -= block.length
      onBlock(block.length)
      this.push(block)
    },
  })
}

function hashOfBody(): string {
  const hash = createHash('sha256')
  for (let bytes = 0; bytes < BODY_BYTES; bytes += block.length) hash.update(block)
  return hash.digest('hex')
}

async function answerHash(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.end((await drain(request)).digest('hex'))
}

async function drain(stream: Readable): Promise<Hash> {
  const hash = createHash('sha256')
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk)
  return hash
}

/** Waits until a number has not changed for a while: then all buffers are full. */
async function untilStill(read: () => number): Promise<void> {
  let last = 0
  const isStill = (): boolean => {
    const before = last
    last = read()
    return last > 0 && last === before
  }
  await until('nothing moves any more', isStill, { pauseMs: 500 })
}
