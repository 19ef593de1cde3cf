import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { type TLSSocket, connect, createServer } from 'node:tls'

import type { Connection } from '../../exchange/connection.ts'
import { LOOPBACK } from '../../exchange/connection.test-support.ts'
import { Exchange, type VisitorRequest, type VisitorResponse } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'
import { compileExpression } from './compile-expression.ts'
import { type ExchangeFactsInit, factsOfExchange } from './exchange-facts.ts'
import { ExpressionView } from './expression-view.ts'
import { SETTINGS, factsOf } from './facts.test-support.ts'

function exchangeOf(request: Partial<VisitorRequest> = {}, connection: Connection = LOOPBACK): Exchange {
  const whole = {
    method: 'POST',
    url: '/a/../b?q=1',
    rawHeaders: ['Host', 'docs.example.com:8443', 'X-Role', 'admin', 'Content-Length', '3'],
    rawTrailers: [],
    httpVersionMinor: 1,
    ...request,
  }
  const exchange = new Exchange({
    request: whole as unknown as VisitorRequest, // nothing of it moves here
    response: {} as VisitorResponse,
    connection,
    host: 'docs.example.com',
    clientIp: '192.0.2.7',
    forwardedFor: '192.0.2.7',
    scheme: 'https',
  })
  exchange.edgeId = 'edg_docs'
  exchange.origin = 'https://docs.example.com:8443'
  return exchange
}

function evaluate(source: string, exchange: Exchange, init: Partial<ExchangeFactsInit> = {}): unknown {
  const expression = compileExpression(source, SETTINGS, 'any')
  if ('problems' in expression) assert.fail(expression.problems[0]?.message)
  const facts = factsOfExchange(exchange, { ...factsOf(), memory: { headers: undefined }, ...init })
  return expression.evaluate(new ExpressionView(facts))
}

describe('an exchange as expressions see it (traffic policy, the engine)', () => {
  it('has the values that the visitor sent', () => {
    const exchange = exchangeOf()
    for (const [source, expected] of [
      ['req.method', 'POST'],
      ['req.url', 'https://docs.example.com:8443/a/../b?q=1'],
      ['req.url.path', '/a/../b'],
      ['req.url.port', 8443n],
      ['req.url.authority', 'docs.example.com:8443'],
      ['req.host', 'docs.example.com'],
      ["getQueryParam('q')", ['1']],
      ['req.version', 'HTTP/1.1'],
      ['req.content_length', 3n],
      ["getReqHeader('x-role')", ['admin']],
      ['has(req.ts.body_received)', false],
      ['endpoint.id + endpoint.url + endpoint.protocol', 'edg_docshttps://docs.example.com:8443https'],
      ['endpoint.addr', 'docs.example.com:8443'],
      ['conn.client_ip', '192.0.2.7'],
      ['conn.server_ip', '127.0.0.1'],
      ['conn.client_port', 50_000n],
      ["conn.tls.version == '' && conn.tls.sni == '' && !has(conn.tls.client)", true],
    ] as const) {
      assert.deepEqual(evaluate(source, exchange), expected, source)
    }
    assert.equal(evaluate('req.version', exchangeOf({ httpVersion: '2.0' })), 'HTTP/2.0')
    assert.equal(evaluate('req.version', exchangeOf({ httpVersion: '1.0', httpVersionMinor: 0 })), 'HTTP/1.0')
    assert.equal(evaluate('has(req.url.port)', exchangeOf({ rawHeaders: ['host', 'docs.example.com'] })), false)
    assert.equal(evaluate('has(req.ts.body_received)', exchangeOf({ rawHeaders: [] })), true)
    assert.equal(
      evaluate(
        'req.url.query == "" && req.url == "https://docs.example.com/x"',
        exchangeOf({ url: '/x', rawHeaders: [] }),
      ),
      true,
    )
  })

  it('has the normal form of the path if that is read, and the raw one beside it', () => {
    const init = { path: '/b' }
    assert.equal(evaluate('req.url.path', exchangeOf(), init), '/b')
    assert.equal(evaluate('req.url.uri', exchangeOf(), init), '/b?q=1')
    assert.equal(evaluate('req.url.raw_path', exchangeOf(), init), '/a/../b')
    assert.equal(evaluate('req.url.raw', exchangeOf(), init), 'https://docs.example.com:8443/a/../b?q=1')
  })

  it('has the headers as actions have changed them', () => {
    const exchange = exchangeOf()
    exchange.requestEdits = new HeaderEdits()
    exchange.requestEdits.set('x-role', 'guest')
    exchange.requestEdits.set('x-new', '1')
    exchange.requestEdits.remove('content-length')
    assert.deepEqual(evaluate("getReqHeader('x-role')", exchange), ['guest'])
    assert.equal(evaluate("'x-new' in req.headers && !has(req.content_length)", exchange), true)
  })

  it('attacks 1, 9, 10, 12, 13, 15: has no header that the app would not get from the visitor, in any spelling', () => {
    const written = {
      Host: 'docs.example.com',
      Connection: 'keep-alive, X-Listed',
      'x.listed': 'evil',
      'X-Forwarded-For': '10.0.0.1',
      x_forwarded_proto: 'evil',
      'X-Forwarded-Host': 'evil',
      'X-Forwarded-Uri': 'evil',
      Forwarded: 'for=evil',
      'X-Original-URL': 'evil',
      'X.Real.IP': 'evil',
      'Sallyport-Auth-User-Email': 'evil',
      sallyport_request_id: 'evil',
      Content_Length: '9',
      Cookie: '__Host-sallyport.x.session=evil; own=kept',
      Upgrade: 'foo',
      'X-Kept': 'yes',
    }
    const claimed = exchangeOf({
      rawHeaders: Object.entries(written).flat(),
      rawTrailers: ['Sallyport-Auth-User-Id', 'evil', 'x-sum', '1', 'X-Listed', 'evil'],
    })
    assert.deepEqual(JSON.parse(String(evaluate('req.headers.encodeJson()', claimed))), {
      host: ['docs.example.com'],
      connection: ['keep-alive, X-Listed'],
      cookie: ['own=kept'],
      upgrade: ['foo'],
      'x-kept': ['yes'],
      'x-forwarded-for': ['192.0.2.7'],
      'x-forwarded-proto': ['https'],
      'x-forwarded-host': ['docs.example.com:8443'],
    })
    assert.equal(evaluate("req.trailers == {'x-sum': ['1']}", claimed), true)
    assert.equal(evaluate("hasReqCookie('own') && !hasReqCookie('__Host-sallyport.x.session')", claimed), true)
    assert.equal(evaluate('has(req.content_length)', claimed), false)
  })

  it('attack 12: has every spelling of a header that an app may take for one, the right one first', () => {
    const rawHeaders = [
      'X_Role',
      'b',
      'x-role',
      'a',
      'X.ROLE',
      'c',
      'X-Rule',
      'd',
      'User_Agent',
      'y',
      'User-Agent',
      'x',
    ]
    const exchange = exchangeOf({ rawHeaders })
    for (const [source, expected] of [
      ["getReqHeader('X-Role')", ['a', 'b', 'c']],
      ["req.headers['x-role']", ['a', 'b', 'c']],
      ["req.headers.filter(name, name.startsWith('x-role'))", ['x-role']],
      ['req.user_agent', 'x'],
    ] as const) {
      assert.deepEqual(evaluate(source, exchange), expected, source)
    }
  })

  it('reads only values that an expression needs', () => {
    const exchange = exchangeOf()
    Object.defineProperty(exchange.request, 'rawHeaders', {
      get: () => assert.fail('headers are read'),
    })
    assert.equal(
      evaluate("req.method == 'POST' && req.url.path.startsWith('/a') && conn.client_port == 50000", exchange),
      true,
    )
  })

  it('has the TLS of the connection', async () => {
    const { key, cert } = selfSigned()
    const server = createServer({
      key,
      cert,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // of TCP
    const visitor = connect({
      port,
      host: '127.0.0.1',
      servername: 'docs.example.com',
      key,
      cert,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    try {
      const [tls] = (await once(server, 'secureConnection')) as [TLSSocket]
      const exchange = exchangeOf({}, { ...LOOPBACK, tls })
      for (const [source, expected] of [
        ["conn.tls.version in ['1.2', '1.3']", true],
        ["conn.tls.cipher_suite.startsWith('TLS_')", true],
        ['conn.tls.sni + conn.tls.negotiated_alpn', 'docs.example.comhttp/1.1'],
        ['conn.tls.session_resumed', false],
        ['conn.tls.client.subject.common_name + conn.tls.server.subject.common_name', 'annann'],
      ] as const) {
        assert.deepEqual(evaluate(source, exchange), expected, source)
      }
    } finally {
      visitor.destroy()
      server.close()
    }
  })
})

function selfSigned(): { key: string; cert: string } {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    '/CN=ann',
  ]
  const both = execFileSync('openssl', [...args, '-keyout', '-', '-days', '2'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
  })
  const start = both.indexOf('-----BEGIN CERTIFICATE-----')
  return { key: both.slice(0, start), cert: both.slice(start) }
}
