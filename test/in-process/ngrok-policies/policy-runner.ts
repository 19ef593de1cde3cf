// A relay with an edge for each policy, and an app that answers as its path says: `/status/404`, `/a.json`. Makes the visits of a
// policy, and asserts at the visitor and at the app.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingMessage, RequestListener, RequestOptions } from 'node:http'
import { request as tlsRequest } from 'node:https'

import { Browser } from '../../support/browser/browser.ts'
import type { CertificatePair } from '../../support/certificate.ts'
import { httpApp, startStack } from '../../support/stack.ts'
import type { Stack, StackOptions } from '../../support/stack.ts'
import { until } from '../../support/until.ts'
import type { Expected, Visit } from './policy-case.ts'

interface Seen {
  target: string
  headers: ReadonlyMap<string, string>
}

interface Answer {
  status: number
  headers: ReadonlyMap<string, string>
  body: string
}

export class PolicyRunner {
  #stack: Stack | undefined
  #seen: Seen[] = []
  /** Of visitors, by their names. */
  certificates: Readonly<Record<string, CertificatePair>> = {}

  async start(options: Omit<StackOptions, 'app'>): Promise<Stack> {
    return (this.#stack = await startStack({ app: httpApp(this.#answer), ...options }))
  }

  async close(): Promise<void> {
    await this.#stack?.close()
  }

  async assertVisit(host: string, [line, written, more = {}]: Visit): Promise<void> {
    const { log: lines } = this.#started
    const { isSignedIn } = more
    const cookie = isSignedIn && (await this.#signIn(host, isSignedIn === true ? '/' : isSignedIn))
    if (cookie) return this.assertVisit(host, [line, written, { headers: { ...more.headers, cookie } }])
    this.#seen = []
    const start = lines.length
    if (written === 'closed') {
      await assert.rejects(this.#ask(host, line, more), line)
      return assert.deepEqual(this.#seen, [], line)
    }
    const expected: Expected = typeof written === 'number' ? { status: written } : written
    const answer = await this.#ask(host, line, more)
    const told = `${line}: ${JSON.stringify([...answer.headers])} ${answer.body.slice(0, 300)} ${lines.at(-1)}`
    assert.equal(answer.status, expected.status, told)
    assertHeaders(answer.headers, expected.headers, told)
    if (typeof expected.body === 'string') assert.equal(answer.body, expected.body, told)
    else if (expected.body) assert.match(answer.body, expected.body)
    this.#assertApp(expected, told)
    const { log } = expected
    if (log) await until(`the log has ${log}`, () => lines.slice(start).some((each) => log.test(each)))
  }

  get #started(): Stack {
    if (!this.#stack) throw new Error('start() comes first')
    return this.#stack
  }

  #assertApp(expected: Expected, told: string): void {
    const app = expected.app ?? (expected.status >= 200 && expected.status < 300)
    assert.equal(this.#seen.length, app === false ? 0 : 1, told)
    if (typeof app !== 'object') return
    if (app.target !== undefined) assert.equal(this.#seen[0]?.target, app.target)
    assertHeaders(this.#seen[0]?.headers ?? new Map(), app.headers, told)
  }

  readonly #answer: RequestListener = (asked, response) => {
    this.#seen.push(seenOf(asked))
    const [, status = '200'] = /\/status\/(\d+)/.exec(asked.url ?? '') ?? []
    const type = (asked.url ?? '').includes('.json') ? 'application/json' : 'text/plain'
    response.writeHead(Number(status), { 'content-type': type, server: 'app', 'x-app': 'yes', 'set-cookie': 'app=1' })
    asked.resume().on('end', () => response.end(type === 'text/plain' ? 'app' : JSON.stringify('a'.repeat(3000))))
  }

  async #signIn(host: string, path: string): Promise<string> {
    const browser = new Browser()
    const url = new URL(path, `http://${host}:${this.#started.port}`)
    const landed = await browser.open(url)
    assert.equal(landed.status, 200, `${landed.url}: ${landed.body}`)
    return browser.cookieHeader(url)
  }

  #ask(host: string, line: string, more: NonNullable<Visit[2]>): Promise<Answer> {
    const [method = 'GET', path = '/'] = line.split(' ')
    const { headers = {}, body, from = '127.0.0.1' } = more
    return new Promise((resolve, reject) => {
      const lines = Object.entries({ host, ...headers }).flatMap(([name, value]) =>
        (typeof value === 'string' ? [value] : value).flatMap((each) => [name, each]),
      )
      if (body !== undefined) lines.push('content-length', String(Buffer.byteLength(body)))
      const sent = this.#open(host, { localAddress: from, headers: lines, method, path }, more)
      sent.on('error', reject).on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: mapOf(response.rawHeaders),
            body: Buffer.concat(chunks).toString(),
          }),
        )
      })
      sent.end(body)
    })
  }

  #open(host: string, options: RequestOptions, { certificate, tls }: NonNullable<Visit[2]>) {
    const { port, tlsPort } = this.#started
    const whole = { ...options, host: '127.0.0.1', agent: false as const }
    if (tlsPort === 0) return request({ ...whole, port })
    const pair = certificate === undefined ? {} : this.certificates[certificate]
    return tlsRequest({
      ...whole,
      ...pair,
      port: tlsPort,
      servername: host,
      maxVersion: tls,
      rejectUnauthorized: false,
    })
  }
}

function seenOf({ method = '', url = '', rawHeaders }: IncomingMessage): Seen {
  return { target: `${method} ${url}`, headers: mapOf(rawHeaders) }
}

function mapOf(raw: readonly string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase() // pairs
    map.set(name, [map.get(name), raw[i + 1]].filter((each) => each !== undefined).join(', '))
  }
  return map
}

function assertHeaders(headers: ReadonlyMap<string, string>, wanted: Expected['headers'] = {}, told = ''): void {
  for (const [name, value] of Object.entries(wanted)) {
    const is = headers.get(name)
    if (value instanceof RegExp) assert.match(is ?? '', value, `${name}: ${told}`)
    else assert.equal(is, value, `${name}: ${told}`)
  }
}
