// One request in each of the ways that a visitor can come, as in three-ways.ts, and the exact lines and bytes of the answer.

import { request as httpRequest } from 'node:http'
import { connect } from 'node:http2'
import { connect as connectSocket } from 'node:net'

import { RawClient } from './raw-client.ts'
import { webSocketRequest } from './raw-web-socket.ts'
import type { VisitInit, WAYS } from './three-ways.ts'

export interface WholeAnswer {
  status: number
  /** Names in lower case, in the order of the answer. */
  lines: [name: string, value: string][]
  /** Empty for an upgrade. */
  body: Buffer
  /** Whether the answer broke off. */
  isCut: boolean
}

export function valuesOf({ lines }: Pick<WholeAnswer, 'lines'>, name: string): string[] {
  return lines.flatMap(([each, value]) => (each === name ? [value] : []))
}

/** @throws if no answer comes at all */
export function wholeAnswer(way: (typeof WAYS)[number], port: number, init: VisitInit): Promise<WholeAnswer> {
  if (way === 'HTTP/1.1') return overHttp1(port, init)
  return way === 'HTTP/2' ? overHttp2(port, init) : overUpgrade(port, init)
}

function overHttp1(port: number, { host, method = 'GET', path = '/', headers = [] }: VisitInit): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    const lines = [['Host', host], ...headers].flat()
    const sent = httpRequest({ port, host: '127.0.0.1', path, method, agent: false, headers: lines })
    sent.on('error', reject).on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
      response.on('close', () => {
        const { statusCode: status = 0, rawHeaders, complete } = response
        resolve({ status, lines: pairsOf(rawHeaders), body: Buffer.concat(chunks), isCut: !complete })
      })
    })
    sent.end()
  })
}

function overHttp2(port: number, { host, method = 'GET', path = '/', headers = [] }: VisitInit): Promise<WholeAnswer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://${host}:${port}`, { createConnection: () => connectSocket(port, '127.0.0.1') })
    session.on('error', reject)
    const fields = headers.map(([name, value]) => [name.toLowerCase(), value])
    const stream = session.request({ ':method': method, ':path': path, ...Object.fromEntries(fields) })
    let raw: string[] = []
    const chunks: Buffer[] = []
    stream.on('response', (_headers, _flags, rawHeaders) => (raw = rawHeaders))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {})
    stream.on('close', () => {
      session.destroy()
      if (raw.length === 0) return reject(new Error(`the stream ended without an answer (${stream.rstCode})`))
      const [[, status] = [], ...lines] = pairsOf(raw)
      resolve({ status: Number(status), lines, body: Buffer.concat(chunks), isCut: stream.rstCode !== 0 })
    })
    stream.end()
  })
}

async function overUpgrade(port: number, { host, path, headers = [] }: VisitInit): Promise<WholeAnswer> {
  const visitor = new RawClient(port)
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  visitor.write(webSocketRequest(host, lines, path))
  const [head = ''] = (await visitor.until(/\r\n\r\n/)).split('\r\n\r\n')
  visitor.close()
  const [first = '', ...rest] = head.split('\r\n')
  const raw = rest.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()])
  return { status: Number(first.slice(9, 12)), lines: pairsOf(raw), body: Buffer.alloc(0), isCut: false }
}

function pairsOf(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? ''] as [string, string]] : []))
}
