// Texts of a policy with `${…}`, in headers and in own answers: a visitor's input can break no line, name no header and
// become no template. In each of the ways that visitors can come; real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { loadLanguage, parseConfig } from '@sallyport/server'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const action = (type: string, config: object): object => ({ actions: [{ type, config }] })
const edge = (name: string, policy: object): string =>
  JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend: { labels: { edge: 'edg_app' } }, policy })
const QUERY = "${getQueryParam('x')[0]}"
const EDGES = [
  edge('who', {
    on_http_request: [
      action('set-headers', { headers: { 'X-Asked': '${req.method} at ${req.host}', 'X-Asked-Before': "${getReqHeader('x-asked').join(',')}" } }), // prettier-ignore
      action('add-headers', { headers: { 'X-Again': "${req.headers['x-asked'][0]}!", 'X-Plain': 'plain' } }),
    ],
    on_http_response: [
      action('set-headers', { headers: { 'X-Status': '${res.status_code}' } }),
      action('add-headers', { headers: { Vary: "${res.headers['x-status'][0]}" } }),
    ],
  }),
  edge('query', {
    on_http_request: [action('set-headers', { headers: { 'X-Query': QUERY } })],
    on_http_response: [action('add-headers', { headers: { 'X-Query': QUERY, 'Set-Cookie': 'a=${req.method}' } })],
  }),
  edge('host', { on_http_request: [action('set-headers', { headers: { Host: QUERY } })] }),
  edge('cookie', { on_http_response: [action('add-headers', { headers: { 'Set-Cookie': QUERY } })] }),
  edge('own', {
    on_http_request: [action('custom-response', { status_code: 404, headers: { 'X-Query': QUERY }, body: '{"asked": ${json.encode(req.method)}}' })], // prettier-ignore
  }),
  edge('path', { on_http_request: [action('set-headers', { headers: { 'X-Path': '${req.url.path}' } })] }),
]

describe('texts with ${…} (traffic policy, 3, 14.2, 14.4)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    await loadLanguage()
    const edges = EDGES.map((each) => `- ${each}`).join('\n')
    stack = await startStack({ app: app.server, edges, listen: 'http2: all' })
  })
  after(() => stack.close())

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: [string, string][] = []) => {
      app.heads.length = 0
      return wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })
    }

    it(`see the exchange as earlier actions have left it, over ${way}`, async () => {
      const answer = await ask('who', '/', [['X-Asked', 'mine']])
      assert.equal(answer.status, passes)
      assert.deepEqual(app.values('x-asked'), ['GET at who.localhost'])
      assert.deepEqual(app.values('x-asked-before'), ['mine'])
      assert.deepEqual(app.values('x-again'), ['GET at who.localhost!'])
      assert.deepEqual(valuesOf(answer, 'x-status'), [String(passes)])
      assert.deepEqual(valuesOf(answer, 'vary'), [String(passes)])
    })

    it(`put no line break into a header, over ${way}`, async () => {
      for (const [written, value] of [
        ['a%0d%0aX-Evil:%201', 'a%0D%0AX-Evil: 1'],
        ['%00%7f%c3%bc', '%00%7F%C3%BC'],
        ['$%7breq.host%7d', '${req.host}'],
        ['100%25', '100%'],
        ['%20a%20', 'a'],
      ] as const) {
        const answer = await ask('query', `/?x=${written}`)
        assert.equal(answer.status, passes, written)
        assert.deepEqual(app.values('x-query'), [value])
        assert.deepEqual(valuesOf(answer, 'x-query'), [value])
        assert.deepEqual([app.values('x-evil'), valuesOf(answer, 'x-evil')], [[], []])
      }
    })

    it(`refuse the request if they cannot be made, over ${way}`, async () => {
      for (const [name, path] of [
        ['query', '/'],
        ['host', '/?x=a%20b'],
        ['host', '/?x=a%0d%0a'],
        ['own', '/'],
        ['query', `/?x=${'%c3%bc'.repeat(1400)}`],
      ] as const) {
        const answer = await ask(name, path)
        assert.equal(answer.status, 500, `${name} ${path}`)
        assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), ['ERR_EXPRESSION_FAILED'])
        assert.deepEqual(app.heads, [], 'nothing reaches the app')
      }
      for (const value of ['sallyport.x.session=1', '%20=__Host-sallyport.x=1$%7b']) {
        const answer = await ask('cookie', `/?x=${value}`)
        assert.deepEqual([answer.status, valuesOf(answer, 'set-cookie')], [500, []], value)
      }
    })

    it(`answer a request, over ${way}`, async () => {
      const answer = await ask('own', '/?x=1')
      assert.deepEqual([answer.status, valuesOf(answer, 'x-query')], [404, ['1']])
      assert.deepEqual(valuesOf(answer, 'content-type'), ['application/json; charset=utf-8'])
      if (way !== 'an upgrade') assert.equal(answer.body.toString(), '{"asked": "GET"}')
    })

    it(`show the app no other path than the forwarded one, over ${way}`, async () => {
      assert.equal((await ask('path', '/a')).status, passes)
      assert.deepEqual(app.values('x-path'), ['/a'])
      for (const path of ['/a%2fb', '/a/../b', '/a/%2e%2e/b']) {
        assert.equal((await ask('path', path)).status, 400, path)
        assert.deepEqual(app.heads, [])
      }
    })
  }

  it('are checked when they are loaded, and take variables in capitals from the environment of relay.yml', () => {
    const load = (headers: object, phase = 'on_http_request'): unknown => {
      const edges = [{ id: 'edg_x', hosts: ['x.localhost'], policy: { [phase]: [action('set-headers', { headers })] } }]
      const config = { domain: 'localhost', public_url: 'http://relay.localhost', listen: { http: 0 }, store: 'sqlite:/tmp/x', edges } // prettier-ignore
      const parsed = parseConfig(JSON.stringify(config), { source: 'test', env: { STAGE: 'test', ODD: '${req.host}' } })
      return parsed.edges[0]?.routes[0]?.policy.on_http_request[0]?.actions[0]?.config
    }
    assert.deepEqual(load({ 'X-A': '${STAGE} ${req.host} ${NONE:here}' }), {
      headers: { 'X-A': 'test ${req.host} here' },
    })
    assert.throws(() => load({ 'X-A': '${NONE}' }), /NONE is not set/)
    // A value is a literal: never an expression.
    assert.deepEqual(load({ 'X-A': '${ODD}' }), { headers: { 'X-A': "${'$'}{req.host}" } })
    assert.throws(() => load({ 'X-A': '${req.path}' }), /headers\.X-A.*there is no variable req\.path; did you mean req\.url\.path\?/) // prettier-ignore
    assert.throws(() => load({ 'X-A': '${res.status_code}' }), /res/)
    assert.throws(() => load({ 'X-A': '${req.host' }), /X-A/)
  })
})
