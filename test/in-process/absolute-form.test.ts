// B9: a request target in absolute-form that names the same host as Host (RFC 9112 3.2.2) is the same request as one in
// origin-form: for routes and policies, in the log, and at the app. One that names anything else reaches nobody. Real
// relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'

import { AGENT_PATH } from '@sallyport/protocol'

import { RawClient, sendRaw } from '../support/raw-client.ts'
import { webSocketRequest } from '../support/raw-web-socket.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { APP_HOST, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { visit } from '../support/three-ways.ts'

const EDGES = `
- id: edg_app
  hosts: [${APP_HOST}]
  routes:
    - path_prefix: /admin
      policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }
    - { path_prefix: / }
- { id: edg_other, hosts: [other.localhost], backend: { labels: { edge: edg_app } } }
`

describe('B9: a request target in absolute-form', { timeout: 30_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => (stack = await startStack({ app: app.server, edges: EDGES })))
  after(() => stack.close())
  beforeEach(() => void (app.heads.length = 0))

  async function ask(target: string, host = APP_HOST, method = 'GET'): Promise<number> {
    const end = 'Connection: close\r\n\r\n'
    const answer = await sendRaw(stack.port, `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${end}`)
    return Number(answer.slice(9, 12))
  }

  const firstLines = (): string[] => app.heads.map((head) => head.split('\r\n', 1)[0]!)

  for (const [target, host, wanted] of [
    [`http://${APP_HOST}/a/b?c=d`, APP_HOST, '/a/b?c=d'],
    [`https://${APP_HOST}/`, APP_HOST, '/'],
    [`HTTP://APP.LocalHost/a`, APP_HOST, '/a'],
    [`http://${APP_HOST}./a`, APP_HOST, '/a'],
    [`http://${APP_HOST}:80/a`, APP_HOST, '/a'],
    [`http://${APP_HOST}/a`, `${APP_HOST}:80`, '/a'],
    [`https://${APP_HOST}:443/a`, APP_HOST, '/a'],
    [`http://${APP_HOST}:8080/a`, `${APP_HOST}:8080`, '/a'],
    [`http://${APP_HOST}`, APP_HOST, '/'],
    [`http://${APP_HOST}?c=d\\e`, APP_HOST, '/?c=d\\e'],
    [`http://${APP_HOST}/a?b=http://other.localhost/`, APP_HOST, '/a?b=http://other.localhost/'],
  ] as const) {
    it(`is origin-form for the app: ${target} at ${host}`, async () => {
      assert.equal(await ask(target, host), 200)
      assert.deepEqual(firstLines(), [`GET ${wanted} HTTP/1.1`])
      assert.deepEqual(app.values('host'), [APP_HOST])
    })
  }

  it('has the same path for routes, their policies, our own pages and the log', async () => {
    for (const path of ['/admin', '/admin/x?y', '/%61dmin', '/x/../admin', '//admin', '/.sallyport/nothing']) {
      const status = await ask(path)
      assert.notEqual(status, 200, path)
      assert.equal(await ask(`http://${APP_HOST}${path}`), status, path)
    }
    assert.deepEqual(app.heads, [])
    const paths = stack.log.flatMap((line) => /"path":"(.*?)"/.exec(line)?.[1] ?? [])
    assert.ok(paths.includes('/admin/x'), String(paths))
    assert.ok(!paths.some((path) => path.includes(':')), String(paths))
  })

  it('works for an upgrade, and after another request on the same connection', async () => {
    assert.equal(await visit('an upgrade', stack.port, { host: APP_HOST, path: `http://${APP_HOST}/socket` }), 101)
    assert.deepEqual(firstLines(), ['GET /socket HTTP/1.1'])
    assert.equal(await visit('an upgrade', stack.port, { host: APP_HOST, path: `http://${APP_HOST}/admin` }), 401)
    assert.equal(await visit('an upgrade', stack.port, { host: APP_HOST, path: 'http://other.localhost/socket' }), 400)
    assert.equal(await visit('an upgrade', stack.port, { host: APP_HOST, path: `ws://${APP_HOST}/socket` }), 400)
    assert.equal(app.heads.length, 1)
    const visitor = new RawClient(stack.port)
    visitor.write(
      `GET /one HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n` +
        `HEAD http://${APP_HOST}/two HTTP/1.1\r\nHost: ${APP_HOST}\r\n\r\n` +
        `PUT http://${APP_HOST}/three HTTP/1.1\r\nHost: ${APP_HOST}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    )
    assert.equal((await visitor.untilOver()).match(/HTTP\/1\.1 200 OK/g)?.length, 3)
    visitor.close()
    assert.deepEqual(firstLines().slice(1), ['GET /one HTTP/1.1', 'HEAD /two HTTP/1.1', 'PUT /three HTTP/1.1'])
  })

  it('admits no agents, which ask in origin-form', async () => {
    const host = 'relay.localhost'
    const headers = ['Sec-WebSocket-Protocol: sallyport.v1', 'Authorization: Bearer sp_wrong']
    const statusAt = async (path: string): Promise<string> =>
      (await sendRaw(stack.port, webSocketRequest(host, headers, path))).slice(9, 12)
    assert.equal(await statusAt(AGENT_PATH), '401')
    assert.equal(await statusAt(`http://${host}${AGENT_PATH}`), '404')
  })

  for (const [what, target, host] of [
    ['another host', 'http://other.localhost/', APP_HOST],
    ['another host, behind the right one', `http://${APP_HOST}.evil.example/`, APP_HOST],
    ['a host where Host has none', `http://${APP_HOST}/`, ''],
    ['another port', `http://${APP_HOST}:8080/`, APP_HOST],
    ['the port of another scheme', `http://${APP_HOST}:443/`, APP_HOST],
    ['no port, where Host has one', `http://${APP_HOST}/`, `${APP_HOST}:8080`],
    ['an empty port', `http://${APP_HOST}:/`, APP_HOST],
    ['a port in another spelling', `http://${APP_HOST}:080/`, APP_HOST],
    ['a port that is none', `http://${APP_HOST}:x/`, APP_HOST],
    ['user info', `http://${APP_HOST}@other.localhost/`, APP_HOST],
    ['user info before the host', `http://ada:pw@${APP_HOST}/`, APP_HOST],
    ['an empty user', `http://@${APP_HOST}/`, APP_HOST],
    ['another scheme', `ftp://${APP_HOST}/`, APP_HOST],
    ['the scheme of WebSockets', `ws://${APP_HOST}/`, APP_HOST],
    ['no authority', 'http:///admin', APP_HOST],
    ['no slashes', `http:${APP_HOST}/`, APP_HOST],
    ['no scheme', `${APP_HOST}/`, APP_HOST],
    ['a host with escapes', 'http://app%2elocalhost/', APP_HOST],
    ['a backslash behind the host', `http://${APP_HOST}\\@other.localhost/`, APP_HOST],
    ['a fragment', `http://${APP_HOST}/#a`, APP_HOST],
    ['a fragment behind the host', `http://${APP_HOST}#/admin`, APP_HOST],
    ['a backslash in the path', `http://${APP_HOST}/a\\b`, APP_HOST],
    ['one in another', `http://other.localhost/http://${APP_HOST}/`, APP_HOST],
  ] as const) {
    it(`attack 7: reaches no app with ${what}`, async () => {
      assert.equal(await ask(target, host), 400)
      assert.deepEqual(app.heads, [])
    })
  }

  it('attack 7: reaches no app with two Hosts, one of them its own, or in the form of a server', async () => {
    assert.equal(await ask(`http://${APP_HOST}/`, `${APP_HOST}\r\nHost: other.localhost`), 400)
    assert.equal(await ask(`http://${APP_HOST}/`, `other.localhost\r\nHost: ${APP_HOST}`), 400)
    assert.equal(await ask(`http://${APP_HOST}`, APP_HOST, 'OPTIONS'), 400)
    assert.equal(await ask(`http://${APP_HOST}/`, APP_HOST, 'OPTIONS'), 200)
    assert.deepEqual(firstLines(), ['OPTIONS / HTTP/1.1'])
  })
})
