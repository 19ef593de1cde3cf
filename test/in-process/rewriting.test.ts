// `redirect` and `url-rewrite`: the app's requests, the visitor's redirects, and refusals. Asserted at the app and at the
// visitor, in each of the ways that a visitor can come. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const rewrite = (from: string, to: string): object => ({ type: 'url-rewrite', config: { from, to } })
const redirect = (config: object): object => ({ type: 'redirect', config })
const seenAs = (value: string): object => ({ type: 'set-headers', config: { headers: { 'X-Seen': value } } })
const always = (...actions: object[]): object => ({ actions })
const toApp = { backend: { labels: { edge: 'edg_app' } } }
const edge = (name: string, ...rules: object[]): object => ({
  id: `edg_${name}`,
  hosts: [`${name}.localhost`],
  routes: [{ path_prefix: '/', ...toApp, policy: { on_http_request: rules } }],
})
const deny = { on_http_request: [{ actions: [{ type: 'deny' }] }] }

const EDGES = [
  edge(
    'plain',
    always(rewrite('/v1/(.*)', '/v2/$1')),
    { expressions: ["req.url.path.startsWith('/v2/')"], actions: [seenAs('v2')] },
    always(rewrite('^http://plain.localhost/host(.*)$', 'http://inner.example:81/x$1')),
  ),
  // The visitor's input decides where the result leads.
  edge('open', always(rewrite('^http://[^/]+/to/(.*)$', '/$1'))),
  {
    id: 'edg_routes',
    hosts: ['routes.localhost'],
    routes: [
      { path_prefix: '/', ...toApp, policy: { on_http_request: [always(rewrite('/to/(.*)$', '/$1'))] } },
      { path_prefix: '/admin', ...toApp, policy: deny },
    ],
  },
  edge(
    'moved',
    always(redirect({ from: '/old/(.*)', to: '/new/$1', status_code: 308, headers: { 'X-Why': 'moved' } })),
  ),
  edge('away', always(redirect({ from: '^http://[^/]+/(.*)$', to: 'https://new.example.com/$1#top' }))),
  edge('same', always(redirect({ from: '^http://', to: 'http://' }))),
  edge('back', always(redirect({ from: '^http://[^/]+/go/(.*)$', to: '$1' }))),
  edge(
    'made',
    always(
      redirect({
        from: '/m/${req.host}/(.*)',
        to: "/n/$1${getReqHeader('x-a').join('')}",
        headers: { 'X-M': '${req.method}' },
      }),
    ),
  ),
  edge('both', always(rewrite('/a/', '/b/')), always(redirect({ from: '/b/', to: '/c/' }))),
].map((each) => `- ${JSON.stringify(each)}`)

describe('addresses that a policy makes (traffic policy, redirect, url-rewrite, 14.8)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES.join('\n'), listen: 'http2: all' })
  })
  after(() => stack.close())

  const got = (): string => (app.heads.at(-1) ?? '').split('\r\n')[0]?.split(' ')[1] ?? ''

  for (const way of WAYS) {
    const fine = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path: string, method = 'GET') =>
      wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, method })

    async function isRefused(name: string, path: string, code: string): Promise<void> {
      const heads = app.heads.length
      const answer = await ask(name, path)
      assert.equal(answer.status, 400, path)
      assert.deepEqual(valuesOf(answer, 'sallyport-error-code'), [code], path)
      assert.equal(app.heads.length, heads, `nothing has reached the app of ${path}`)
    }

    it(`reach the app and later rules, but not the log, over ${way}`, async () => {
      assert.equal((await ask('plain', '/v1/a%2fb?q=/v1/')).status, fine)
      assert.equal(got(), '/v2/a%2fb?q=/v1/')
      assert.deepEqual(app.values('x-seen'), ['v2'], 'later conditions see the new path')
      assert.deepEqual(app.values('host'), ['plain.localhost'])
      assert.equal((await ask('plain', '/other')).status, fine)
      assert.equal(got(), '/other')
      assert.equal((await ask('plain', '/host/b?c')).status, fine)
      assert.equal(got(), '/x/b?c')
      assert.deepEqual(app.values('host'), ['inner.example:81'])
      assert.deepEqual(app.values('x-forwarded-host'), ['plain.localhost'])
    })

    it(`never lead to another route or to the relay’s own pages, over ${way}`, async () => {
      assert.equal((await ask('open', '/to/fine/x')).status, fine)
      assert.equal(got(), '/fine/x')
      for (const path of [
        '/to//evil',
        '/to//evil.example/x',
        '/to/.sallyport/login',
        '/to/.sallyport',
        '/to/.%73allyport',
        '/to/%2esallyport/login',
        '/to/;/.sallyport',
      ]) {
        // Some of these are refused unchanged.
        const heads = app.heads.length
        const answer = await ask('open', path)
        assert.equal(answer.status, 400, path)
        assert.match(valuesOf(answer, 'sallyport-error-code').join(), /^ERR_(?:REWRITE_REFUSED|PATH_AMBIGUOUS)$/, path)
        assert.equal(app.heads.length, heads, path)
      }
      await isRefused('open', '/to/.sallyport/login', 'ERR_REWRITE_REFUSED')
      await isRefused('routes', '/to/admin', 'ERR_REWRITE_REFUSED')
      await isRefused('routes', '/to/admin/x', 'ERR_REWRITE_REFUSED')
      await isRefused('routes', '/to/%61dmin', 'ERR_REWRITE_REFUSED')
      assert.equal((await ask('routes', '/to/administrator')).status, fine)
      assert.equal(got(), '/administrator')
      // Because another reading of the path would not be rewritten.
      await isRefused('plain', '/%761/x', 'ERR_PATH_AMBIGUOUS')
    })

    it(`are targets of redirects, over ${way}`, async () => {
      const heads = app.heads.length
      const moved = await ask('moved', '/old/a%0d%0aSet-Cookie:x?b')
      assert.equal(moved.status, 308)
      assert.deepEqual(valuesOf(moved, 'location'), ['http://moved.localhost/new/a%0d%0aSet-Cookie:x?b'])
      assert.deepEqual(valuesOf(moved, 'x-why'), ['moved'])
      assert.deepEqual(valuesOf(moved, 'sallyport-error-code'), [], 'it is no error')
      assert.deepEqual(valuesOf(await ask('away', '/a?b'), 'location'), ['https://new.example.com/a?b#top'])
      assert.deepEqual(valuesOf(await ask('away', '/a?"b"\\|'), 'location'), [
        'https://new.example.com/a?%22b%22%5C%7C#top',
      ])
      assert.deepEqual(valuesOf(await ask('both', '/a/x'), 'location'), ['http://both.localhost/c/x'])
      for (const evil of ['.evil.example', '@evil.example', '/evil.example']) {
        const answer = await ask('back', `/go/${evil}`)
        if (answer.status === 400) continue // two slashes are refused unchanged
        const [location = ''] = valuesOf(answer, 'location')
        assert.equal(new URL(location).host, 'back.localhost', location)
      }
      await isRefused('back', '/go/javascript:alert(1)', 'ERR_REWRITE_REFUSED')
      assert.equal(app.heads.length, heads, 'nothing has reached the app')

      assert.equal((await ask('moved', '/new/a')).status, fine)
      assert.equal((await ask('same', '/a')).status, fine, 'an address that stays the same is no redirect')
    })
  }

  it('may contain values of the request, which stay literals (traffic policy, 14.4)', async () => {
    const ask = (path: string, value: string) => {
      return wholeAnswer('HTTP/1.1', stack.port, { host: 'made.localhost', path, headers: [['X-A', value]] })
    }
    const made = await ask('/m/made.localhost/x', '0$1 $0 ${req.host}\u00fc')
    assert.deepEqual(valuesOf(made, 'location'), ['http://made.localhost/n/x0$1%20$0%20$%7Breq.host%7D%C3%BC'])
    assert.deepEqual(valuesOf(made, 'x-m'), ['GET'])
    assert.equal((await ask('/m/madeXlocalhost/x', 'a')).status, 200, 'a dot of a value is a dot')
  })

  it('redirect any method', async () => {
    for (const method of ['POST', 'HEAD', 'OPTIONS']) {
      const answer = await wholeAnswer('HTTP/1.1', stack.port, { host: 'moved.localhost', path: '/old/x', method })
      assert.equal(answer.status, 308)
    }
  })

  it('withstand hostile URLs', async () => {
    const path = `/old/${'a'.repeat(14_000)}`
    assert.equal((await wholeAnswer('HTTP/1.1', stack.port, { host: 'moved.localhost', path })).status, 308)
  })

  it('stay out of the log, which has the visitor’s paths', () => {
    const entries = stack.log.map((line) => JSON.parse(line) as Record<string, unknown>) // the relay's own lines
    const paths = entries.map(({ path }) => path)
    assert.ok(paths.includes('/v1/a%2fb') && !paths.includes('/v2/a%2fb'))
    const refused = entries.find(({ code, path }) => code === 'ERR_REWRITE_REFUSED' && path === '/to/admin/x')
    assert.match(String(refused?.['detail']), /"\/admin\/x" belongs to another route/)
  })
})
