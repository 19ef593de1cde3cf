// MQTT over WebSockets with a real broker: mosquitto, from Debian's package. It hangs up while a visitor is still
// sending, as real-apps 2a saw. Skipped with the reason if it is not installed.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, afterEach, before, describe, it } from 'node:test'
import type { TestContext } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'
import { WebSocket, createWebSocketStream } from 'ws'

import { NO_OPENSSL, makeCertificate } from '../support/certificate.ts'
import type { CertificateFiles } from '../support/certificate.ts'
import { ForeignProgram, isInstalled } from '../support/programs/foreign-program.ts'
import { freePort } from '../support/processes.ts'
import { APP_HOST, httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'

const NO_MOSQUITTO = 'no mosquitto: apt-get install mosquitto (Debian) to run this'
const ROUNDS = Number(process.env.SALLYPORT_INTEROP_ROUNDS ?? 1)
// Around the sizes at which the lengths of WebSocket and MQTT take one more byte. mosquitto 2.0.11 writes 4 KiB in 100
// ms, also without the relay in between, and reads as fast as the client sends.
const SIZES = [0, 1, 125, 126, 16_383, 16_384, 65_536]
const LARGE = [300_000, 5_000_000]
const MESSAGES = 500
const LEAVE_MS = 10_000 // an agent waits up to 30 s for its streams

// MQTT 3.1.1, 2.2.1
const [CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT] = [
  1, 2, 3, 4, 8, 9, 12, 13, 14,
] as const
const QOS_1 = 0b10 // "at least once"

describe('interop with mosquitto', { timeout: 120_000 * ROUNDS }, () => {
  let folder: string
  let certificate: CertificateFiles | undefined
  let isThere = false
  let port = 0
  let plainPort = 0
  let broker: ForeignProgram | undefined
  let stack: Stack | undefined
  const visitors: MqttClient[] = []

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-mosquitto-'))
    isThere = await isInstalled('mosquitto', ['-h'])
    certificate = await makeCertificate(folder, [APP_HOST, 'relay.localhost'])
  })
  after(() => rm(folder, { recursive: true, force: true }))

  afterEach(async () => {
    for (const { stream } of visitors.splice(0)) stream.destroy()
    await broker?.stop()
    await stack?.close()
  })

  async function startBroker(): Promise<ForeignProgram> {
    const file = join(folder, 'mosquitto.conf')
    // It does not start without a listener of the other kind (2.0.11).
    plainPort = await freePort()
    const other = `listener ${plainPort} 127.0.0.1`
    const lines = [other, `listener ${port} 127.0.0.1`, 'protocol websockets', 'allow_anonymous true']
    await writeFile(file, `${lines.join('\n')}\n`)
    return ForeignProgram.start('mosquitto', ['-c', file], port)
  }

  for (const scheme of ['ws', 'wss'] as const) {
    /** With everything new: some of the tests stop it. @param run gets a way to connect */
    const test = (name: string, run: (visit: () => Promise<MqttClient>) => Promise<void>): void => {
      it(`${name}, by ${scheme}`, async (context: TestContext) => {
        if (!isThere) return context.skip(NO_MOSQUITTO)
        if (scheme === 'wss' && !certificate) return context.skip(NO_OPENSSL)
        port = await freePort()
        broker = await startBroker()
        const upstream = `http://127.0.0.1:${port}`
        const secure = scheme === 'wss' && certificate && { certificate }
        const config = 'timeouts: { visitor_stall_seconds: 1 }' // the limit for an end of one side alone
        stack = await startStack({ app: httpApp(() => {}), upstream, config, ...secure })
        const { port: clear, tlsPort } = stack
        const visit = async (): Promise<MqttClient> => {
          const url = `${scheme}://${APP_HOST}:${scheme === 'ws' ? clear : tlsPort}/mqtt`
          const visitor = new MqttClient(await openWebSocket(url))
          visitors.push(visitor)
          await visitor.signOn(`visitor-${visitors.length}`)
          return visitor
        }
        for (let round = 0; round < ROUNDS; round++) await run(visit)
        for (const { stream } of visitors) stream.end()
        await nothingIsLeft(stack)
      })
    }

    test('messages of every size go both ways', async (visit) => {
      const [ada, bob] = [await visit(), await visit()]
      await ada.subscribe('to/ada')
      await bob.subscribe('to/bob')
      for (const size of SIZES) {
        const payload = Buffer.alloc(size, String(size))
        await Promise.all([ada.publish('to/bob', payload), bob.publish('to/ada', payload)])
        for (const each of [ada, bob]) assert.ok(payloadOf(await each.next(PUBLISH)).equals(payload), `${size} bytes`)
        await ada.ping()
      }
    })

    test('large messages reach the broker whole', async (visit) => {
      const visitor = await visit()
      const neighbor = new MqttClient(connect(plainPort, '127.0.0.1'))
      await neighbor.signOn('neighbor')
      await neighbor.subscribe('large')
      for (const size of LARGE) {
        const payload = randomBytes(size)
        await visitor.publish('large', payload)
        assert.ok(payloadOf(await neighbor.next(PUBLISH)).equals(payload), `${size} bytes`)
      }
      neighbor.stream.destroy()
    })

    test('hundreds of messages arrive in order, at every subscriber', async (visit) => {
      const [ada, bob, eve] = [await visit(), await visit(), await visit()]
      for (const each of [bob, eve]) await each.subscribe('many/#')
      const numbers = Array.from({ length: MESSAGES }, (_, number) => String(number))
      await Promise.all(numbers.map((number) => ada.publish('many/x', Buffer.from(number))))
      for (const each of [bob, eve]) {
        const got: string[] = []
        for (const _ of numbers) got.push(payloadOf(await each.next(PUBLISH)).toString())
        assert.deepEqual(got, numbers)
      }
    })

    test('a client that sends DISCONNECT is released', async (visit) => {
      const visitor = await visit()
      visitor.send(DISCONNECT, 0)
      await visitor.closed
    })

    test('real-apps 2a: a broker that hangs up amid a visitor’s messages leaves nothing behind', async (visit) => {
      for (const isListening of [false, true]) {
        const visitor = await visit()
        if (isListening) await visitor.subscribe('a/#')
        // 3.3.2.1: a topic has no wildcards in it. The broker closes at the first, and many more follow.
        for (let count = 0; count < 50; count++) visitor.send(PUBLISH, 0, text('a/#'), Buffer.alloc(100_000))
        await visitor.closed
      }
    })

    test('real-apps 2a: a visitor who leaves amid a broker’s messages leaves nothing behind', async (visit) => {
      for (const isSending of [false, true]) {
        const visitor = await visit()
        await visitor.subscribe('large')
        // They take 25 s to return.
        for (let count = 0; count < 100; count++) visitor.send(PUBLISH, 0, text('large'), Buffer.alloc(10_000))
        await visitor.next(PUBLISH)
        if (isSending) visitor.send(PUBLISH, 0, text('elsewhere'), Buffer.alloc(5_000_000))
        visitor.stream.destroy()
        await visitor.closed
      }
    })

    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      test(`a broker that ends by ${signal} amid messages ends every WebSocket`, async (visit) => {
        const [ada, bob, idle] = [await visit(), await visit(), await visit()]
        await bob.subscribe('flood/#')
        const flood = setInterval(() => {
          for (const [topic, size] of [
            ['flood/x', 10],
            ['elsewhere', 50_000],
          ] as const)
            ada.send(PUBLISH, 0, text(topic), Buffer.alloc(size))
        }, 1)
        try {
          for (let count = 0; count < 20; count++) await bob.next(PUBLISH)
          await broker?.stop(signal)
          await Promise.all([ada, bob, idle].map((each) => each.closed))
        } finally {
          clearInterval(flood)
        }
        broker = await startBroker()
        await (await visit()).ping()
      })
    }
  }

  /** No exchange, by its line in the log, no stream, since the agent can leave, and no socket of a visitor. */
  async function nothingIsLeft({ log, agents }: Stack): Promise<void> {
    await Promise.all(visitors.map((each) => each.closed))
    const lines = (): string[] => log.filter((line) => line.includes('"msg":"exchange"'))
    for (let turns = 0; lines().length < visitors.length; turns++) {
      assert.ok(turns < 1000, `${visitors.length - lines().length} exchanges are still open`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    assert.ok(lines().every((line) => line.includes('"status":101')))
    const leaving = performance.now()
    await Promise.all(agents.map((agent) => agent.close()))
    assert.ok(performance.now() - leaving < LEAVE_MS, 'the agent had streams left')
  }
})

async function openWebSocket(url: string): Promise<Duplex> {
  const socket = new WebSocket(url, 'mqtt', { lookup: lookupLocalhost, rejectUnauthorized: false })
  await once(socket, 'open')
  assert.equal(socket.protocol, 'mqtt')
  const stream = createWebSocketStream(socket)
  socket.on('close', () => stream.destroy()) // its own end waits for ours
  return stream
}

/** MQTT 3.1.1, spoken by hand. */
class MqttClient {
  readonly stream: Duplex
  readonly closed: Promise<void>
  #bytes = Buffer.alloc(0)
  readonly #packets: Packet[] = []
  readonly #waiting = new Set<() => void>()
  #id = 0

  constructor(stream: Duplex) {
    this.stream = stream
    this.closed = new Promise((resolve) => stream.once('close', resolve))
    stream.on('error', () => {}) // 'close' reports it
    stream.on('data', (data: Buffer) => this.#read(data))
    stream.once('close', () => this.#wake())
  }

  async signOn(name: string): Promise<void> {
    const cleanSession = Buffer.from([4, 0b10, 0, 60]) // and level 4, which is 3.1.1; 60 seconds
    this.send(CONNECT, 0, text('MQTT'), cleanSession, text(name))
    assert.deepEqual((await this.next(CONNACK)).body, Buffer.from([0, 0]))
  }

  async subscribe(topic: string): Promise<void> {
    this.send(SUBSCRIBE, 0b10, this.#nextId(), text(topic), Buffer.from([1]))
    assert.equal((await this.next(SUBACK)).body.at(-1), 1)
  }

  /** At least once (4.3.2): resolves when the broker has it. */
  async publish(topic: string, payload: Buffer): Promise<void> {
    const id = this.#nextId()
    this.send(PUBLISH, QOS_1, text(topic), id, payload)
    await this.next(PUBACK, ({ body }) => body.equals(id))
  }

  async ping(): Promise<void> {
    this.send(PINGREQ, 0)
    await this.next(PINGRESP)
  }

  send(type: number, flags: number, ...parts: Buffer[]): void {
    const body = Buffer.concat(parts)
    if (!this.stream.writable) return // the other end may have been faster
    this.stream.write(Buffer.concat([Buffer.from([(type << 4) | flags]), lengthOf(body), body]))
  }

  /** The first packet of this type, received or to come. @throws if the stream ends first */
  async next(type: number, fits: (packet: Packet) => boolean = () => true): Promise<Packet> {
    for (;;) {
      const index = this.#packets.findIndex((packet) => packet.type === type && fits(packet))
      if (index !== -1) return this.#packets.splice(index, 1)[0]! // it exists
      if (this.stream.closed) throw new Error(`closed before a packet of type ${type}`)
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #nextId(): Buffer {
    this.#id = (this.#id % 0xffff) + 1
    return Buffer.from([this.#id >> 8, this.#id & 0xff])
  }

  /** Packets may cross the borders of messages (6). */
  #read(data: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, data])
    for (let packet = this.#take(); packet; packet = this.#take()) {
      this.#packets.push(packet)
      if (packet.type === PUBLISH && packet.flags & QOS_1) this.send(PUBACK, 0, idOf(packet)) // the broker sends twenty before it has one
    }
    this.#wake()
  }

  #take(): Packet | undefined {
    let length = 0
    let at = 1
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[at++]
      if (byte === undefined) return undefined
      length += (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    if (this.#bytes.length < at + length) return undefined
    const first = this.#bytes[0]! // because there is a length
    const packet = { type: first >> 4, flags: first & 0xf, body: this.#bytes.subarray(at, at + length) }
    this.#bytes = this.#bytes.subarray(at + length)
    return packet
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}

interface Packet {
  type: number
  flags: number
  body: Buffer
}

/** 1.5.3: two bytes of length before it. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)])
}

/** 2.2.3: seven bits a byte, the lowest first. */
function lengthOf({ length }: Buffer): Buffer {
  const bytes: number[] = []
  do {
    const bits = length & 0x7f
    length >>= 7
    bytes.push(length > 0 ? bits | 0x80 : bits)
  } while (length > 0)
  return Buffer.from(bytes)
}

/** Of a PUBLISH that is sent "at least once" (3.3): it is after the topic, and before the payload. */
function idOf({ body }: Packet): Buffer {
  const at = 2 + body.readUInt16BE(0)
  return body.subarray(at, at + 2)
}

function payloadOf({ body }: Packet): Buffer {
  return body.subarray(2 + body.readUInt16BE(0) + 2)
}
