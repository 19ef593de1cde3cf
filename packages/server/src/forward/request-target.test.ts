// Shows that a policy cannot change the target of a request: through admission, the route and its actions, to the three
// heads that are written for apps.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Edge } from '../edge/edge.ts'
import type { RouteBackend } from '../backend/route-backend.ts'
import { LOOPBACK } from '../exchange/connection.test-support.ts'
import { Exchange } from '../exchange/exchange.ts'
import { admit } from '../listener/admission.ts'
import { Http1Response } from '../listener/http1/http1-response.ts'
import type { Action } from '../exchange/action.ts'
import type { RouteConfig } from '../model/edge-config.ts'
import { compose } from '../policy/compose.ts'
import { writeHttp2Head } from './http2/http2-headers.ts'
import { writeRequestHead } from './transfer/headers.ts'

const BACKEND = {} as RouteBackend // no tunnel is picked here
const SMUGGLED = '/admin HTTP/1.1\r\nHost: intern\r\n\r\nGET /x'

describe('the target of a request', () => {
  /** The target that an app would have received: over HTTP/1.1, by a WebSocket, over HTTP/2. */
  let wire: string[] = []
  let action: Action
  const server = createServer({ ServerResponse: Http1Response }, (request, response) => {
    const init = { connection: LOOPBACK, clientIp: '192.0.2.1', forwardedFor: '192.0.2.1', scheme: 'http' as const }
    let host = ''
    const serve = async (): Promise<void> => {
      host = admit(request)
      const exchange = new Exchange({ request, response, host, ...init })
      const config = { path_prefix: '/public' } as RouteConfig // only this is read
      const routes = [{ config, policy: compose([{ holds: undefined, actions: [action] }]), backend: BACKEND }]
      const edge = new Edge({ id: 'edg_docs', hosts: [], routes, originOf: () => '' })
      await edge.routeFor(exchange.path).policy(exchange, async () => {
        wire.push(requestLine(writeRequestHead(exchange, 'preserve', { type: 'none' })))
        wire.push(requestLine(writeRequestHead(exchange, 'preserve', { type: 'none' }, 'websocket')))
        const head = writeHttp2Head(exchange, 'preserve', 'http', { type: 'none' })
        wire.push(head[head.indexOf(':path') + 1]!)
        exchange.respond(200, {})
      })
    }
    serve().catch((error: unknown) => new Exchange({ request, response, host, ...init }).fail(error))
  })

  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())
  beforeEach(() => {
    wire = []
    action = (_, next) => next()
  })

  /** The status of the answer. */
  async function ask(target: string): Promise<number> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1') // it listens on TCP
    socket.write(`GET ${target} HTTP/1.1\r\nHost: docs.example.com\r\nConnection: close\r\n\r\n`)
    return Number((await text(socket)).split(' ')[1])
  }

  it('attack 18: is emitted as it was admitted and routed, even if a policy tries to rewrite it', async () => {
    const attempts: Record<string, (exchange: Exchange, to: string) => void> = {
      'the URL of the request': (exchange, url) => void Object.assign(exchange.request, { url }),
      'the target of the exchange': (exchange, target) => {
        // @ts-expect-error The compiler says so first.
        assert.throws(() => (exchange.target = target), TypeError)
      },
      'the path of the exchange': (exchange, path) => {
        // @ts-expect-error As above.
        assert.throws(() => (exchange.path = path), TypeError)
      },
    }
    for (const [what, attempt] of Object.entries(attempts)) {
      for (const to of ['/admin', '/public/../admin', '/public#', 'http://intern/public', SMUGGLED, '']) {
        action = (exchange, next) => {
          attempt(exchange, to)
          return next()
        }
        wire = []
        assert.equal(await ask('/public/%20a?b=/c'), 200)
        const sent = '/public/%20a?b=/c'
        assert.deepEqual(wire, [`GET ${sent} HTTP/1.1`, `GET ${sent} HTTP/1.1`, sent], `${what} → ${to}`)
      }
    }
  })

  it('attack 18: is written nowhere if admission refuses it', async () => {
    for (const target of ['/public#', '/public\\..\\admin', 'http://intern/public', '*', '/public/..%2fadmin']) {
      assert.equal(await ask(target), 400, target)
    }
    assert.deepEqual(wire, [])
  })
})

/** The head up to its first header: a target with additional lines would show. */
function requestLine(head: string): string {
  return head.slice(0, head.indexOf('\r\nHost: docs.example.com\r\n'))
}
