// One health check: a GET to the agent's own upstream, through the same dial as visitors' connections.

import { connect as http2Connect } from 'node:http2'
import { PassThrough } from 'node:stream'
import type { Duplex } from 'node:stream'

import { outliveStreams, printable, watchEnd } from '@sallyport/protocol'
import { request as httpRequest } from '@sallyport/protocol/node-http'
import type { StreamProtocol } from '@sallyport/protocol'

import { AGENT_VERSION } from '../agent-version.ts'
import type { Dial } from './dial-upstream.ts'
import type { Upstream } from './upstream.ts'

export interface UpstreamCheck {
  dial: Dial
  protocol: StreamProtocol
  /** The app's Host. */
  authority: string
  /** Path and query. */
  path: string
}

export interface CheckResult {
  passed: boolean
  /** Undefined if the app did not answer. */
  status?: number
  /** For people: `GET /healthz answered 503`. */
  detail: string
}

/** Checks once. A status from 200 to 399 passes. Never rejects; aborting `signal` ends it as failed. */
export async function checkUpstream(
  check: UpstreamCheck,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  // Replaces the relay's stream, to which a dial normally belongs: closing it gives the dial up.
  const owner = new PassThrough()
  const { promise: stopped, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(new Error(`no answer within ${timeoutMs / 1000} s`))
  stop.addEventListener('abort', onAbort, { once: true })
  let socket: Duplex | undefined
  const what = `GET ${check.path.replace(/\?.*$/, '')}` // a query may hold a secret, and this is logged at both ends
  try {
    const dialled = dialOnce(check.dial, owner).then((opened) => (socket = opened))
    await Promise.race([dialled, stopped])
    const asked = check.protocol === 'http2' ? askHttp2(socket!, check) : askHttp1(socket!, check) // just dialled
    const status = await Promise.race([asked, stopped])
    return { passed: status >= 200 && status < 400, status, detail: `${what} answered ${status}` }
  } catch (error) {
    return { passed: false, detail: `${what}: ${printable(error instanceof Error ? error.message : String(error))}` }
  } finally {
    stop.removeEventListener('abort', onAbort)
    owner.destroy()
    socket?.destroy()
  }
}

/** The Host of a check: it has no visitor whose Host could be preserved. */
export function authorityOf(upstream: Upstream, hostHeader: string): string {
  return hostHeader === 'preserve' || hostHeader === 'rewrite' ? upstream.authority : hostHeader
}

function dialOnce(dial: Dial, owner: Duplex): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    dial(owner, (outcome) => {
      if ('socket' in outcome) resolve(outcome.socket)
      else reject(new Error(outcome.failure.reason))
    })
  })
}

const USER_AGENT = `sallyport-agent/${AGENT_VERSION}`

function askHttp1(socket: Duplex, { authority, path }: UpstreamCheck): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      path,
      headers: { host: authority, 'user-agent': USER_AGENT, connection: 'close' },
      createConnection: () => socket,
    })
    request.on('response', (response) => {
      response.on('error', () => {}) // only the status counts; then the socket is destroyed
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    request.end()
  })
}

function askHttp2(socket: Duplex, { authority, path }: UpstreamCheck): Promise<number> {
  return new Promise((resolve, reject) => {
    // A pushed stream would have no owner, and an error on a stream without a listener ends the process.
    const settings = { enablePush: false }
    const session = http2Connect(`http://${authority}`, { createConnection: () => socket, settings })
    const outlive = outliveStreams(session)
    session.on('error', reject)
    const stream = session.request({ ':path': path, 'user-agent': USER_AGENT })
    const sawEnd = watchEnd(stream)
    stream.on('response', (headers) => {
      resolve(Number(headers[':status'] ?? 0))
      session.destroy()
    })
    stream.on('error', reject)
    stream.on('close', () => {
      outlive(stream, sawEnd)
      reject(new Error('the app ended the stream without an answer'))
    })
    stream.end()
  })
}
