// S10: CORS preflights that pass without a session, on the way to an app that acts on whatever headers it gets. Real relay,
// agent and sockets; nobody is signed in, and no provider is there.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

const OTHERS = "!#$%&'*+-.^_`|~".split('')
const action = (type: string, config: object): object => ({ type, config })
const openidConnect = action('openid-connect', {
  issuer_url: 'http://idp.localhost:9',
  client_id: 'x',
  allow_cors_preflight: true,
})
const jwtValidation = action('jwt-validation', {
  issuer: { allow_list: [{ value: 'http://idp.localhost:9' }] },
  audience: { allow_list: [{ value: 'x' }] },
  allow_cors_preflight: true,
})
const setHeaders = (name: string): object => action('set-headers', { headers: { [name]: 'ours' } })
const addHeaders = (name: string): object => action('add-headers', { headers: { [name]: 'ours' } })
const EDGES = Object.entries({
  people: [openidConnect],
  programs: [jwtValidation],
  edited: [setHeaders('X-Before'), addHeaders('X-Added'), openidConnect, setHeaders('X-Behind')],
}).map(([name, actions]) => {
  const backend = { labels: { edge: 'edg_app' } }
  return `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend, policy: { on_http_request: [{ actions }] } })}`
})
const PREFLIGHT = [
  ['origin', 'https://page.example'],
  ['access-control-request-method', 'POST'],
  ['access-control-request-headers', 'content-type, x-mine'],
] as const
const BROWSER = [
  ['accept', '*/*'],
  ['accept-encoding', 'gzip'],
  ['accept-language', 'en'],
  ['referer', 'https://page.example/'],
  ['sec-fetch-mode', 'cors'],
  ['user-agent', 'a browser'],
] as const

describe('S10: a preflight', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => (stack = await startStack({ app: app.server, edges: EDGES.join('\n'), listen: 'http2: all' })))
  after(() => stack.close())

  for (const way of WAYS.filter((each) => each !== 'an upgrade')) {
    const ask = (host: string, ...headers: (readonly [string, string])[]): Promise<number> => {
      app.heads.length = 0
      return visit(way, stack.port, { method: 'OPTIONS', host, path: '/transfer', headers: [...PREFLIGHT, ...headers] })
    }

    it(`names no other method and carries no credentials, in any spelling, over ${way}`, async () => {
      for (const host of ['people.localhost', 'programs.localhost']) {
        for (const other of OTHERS) {
          for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) {
            const spelled = name.replaceAll('-', other)
            assert.equal(await ask(host, [spelled, 'POST']), 401, `${spelled} at ${host}`)
            assert.deepEqual(app.heads, [], 'nothing reaches the app')
          }
        }
        for (const [name, value] of [
          ['cookie', 'a=b'],
          ['authorization', 'Basic eA=='],
        ] as const) {
          assert.equal(await ask(host, [name, value]), 401, name)
          assert.deepEqual(app.heads, [])
        }
      }
    })

    it(`carries only the headers that browsers send with it, over ${way}`, async () => {
      for (const host of ['people.localhost', 'programs.localhost']) {
        const further = [
          ['x-mine', 'evil'],
          ['x-verb', 'evil'],
          ['x_api_key', 'evil'],
          ['accept.encoding2', 'evil'],
          ['content-type', 'evil/evil'],
          ['proxy-x', 'evil'],
        ] as const
        assert.equal(await ask(host, ...BROWSER, ...further), 200)
        assert.doesNotMatch(app.heads[0]!, /evil/)
        for (const [name, value] of [...PREFLIGHT, ...BROWSER]) assert.deepEqual(app.values(name), [value], name)
        assert.match(app.heads[0]!, /^OPTIONS \/transfer HTTP\/1\.1\r\n/)
        assert.deepEqual(app.values('x-forwarded-for'), ['127.0.0.1'])
      }
    })

    it(`has the headers that the policy writes, over ${way}`, async () => {
      const names = ['x-before', 'x-added', 'x-behind', 'x-else']
      assert.equal(await ask('edited.localhost', ...names.map((name) => [name, 'evil'] as const)), 200)
      assert.deepEqual(
        names.map((name) => app.values(name)),
        [['ours'], ['ours'], ['ours'], []],
      )
    })
  }
})
