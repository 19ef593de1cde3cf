// The results of actions, as later expressions read them: of url-rewrite, redirect, log and compress-response. Results that were made
// from the path are read in both readings of it. In each of the ways that visitors can come; real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

const action = (type: string, config: object): object => ({ type, config })
const seen = (headers: object): object => action('set-headers', { headers })
const rewrite = (from: string, to: string): object => action('url-rewrite', { from, to })
const rule = (...actions: object[]): object => ({ actions })
const when = (expression: string): object => ({ expressions: [expression], actions: [seen({ 'X-Seen': 'yes' })] })
const toApp = { labels: { edge: 'edg_app' } }
const edge = (name: string, rules: object[], backend: object = toApp, responses: object[] = []): string =>
  `- ${JSON.stringify({ id: `edg_${name}`, hosts: [`${name}.localhost`], backend, policy: { on_http_request: rules, on_http_response: responses } })}`

const COMPRESS = [
  rule(action('compress-response', { algorithms: ['gzip'] })),
  rule(seen({ 'X-C': '${actions.ngrok.compress.already_compressed}/${actions.sallyport.compress.negotiated_algorithm}' })), // prettier-ignore
]
const EDGES = [
  edge('rewritten', [
    rule(rewrite('/(v)1/', '/${req.method}/$1/')),
    rule(seen({ 'X-Url': '${actions.ngrok.url_rewrite.url}', 'X-Matches': "${actions.sallyport.url_rewrite.matches.join('|')}", 'X-Error': '${has(actions.ngrok.url_rewrite.error)}' })), // prettier-ignore
  ]),
  edge('last', [rule(rewrite('/v1/', '/v2/')), when("actions.ngrok.url_rewrite.url.endsWith('/a')")]),
  edge('none', [rule(rewrite('/nowhere', '/')), when('!has(actions.ngrok.url_rewrite.url) && actions.ngrok.url_rewrite.matches == []')]), // prettier-ignore
  edge('fixed', [rule(rewrite('^.*$', '/fixed')), when("actions.ngrok.url_rewrite.matches[0].endsWith('/a')")]),
  edge('kept', [
    rule(rewrite('^.*$', '/fixed'), action('set-vars', { vars: [{ x: '${actions.ngrok.url_rewrite.matches[0]}' }] })),
    when("vars.x.endsWith('/a')"),
  ]),
  edge('moved', [
    rule(action('redirect', { from: '(^)http:', to: '${req.method == "GET" ? "http:" : "https:"}' })),
    rule(seen({ 'X-R': "${actions.ngrok.redirect.matches.join('|')} ${actions.ngrok.redirect.url}" })),
  ]),
  edge('logged', [
    rule(action('log', { metadata: { path: '${req.url.path}', list: ['${req.method}', 7] } })),
    when("actions.ngrok.log.metadata.path.endsWith('/a') && actions.ngrok.log.metadata.list == ['GET', 7]"),
  ]),
  edge('small', [], toApp, COMPRESS),
  edge(
    'large',
    [],
    { fixed_response: { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'x'.repeat(2000) } },
    COMPRESS,
  ),
]

describe('results of actions (traffic policy, 4, 14.2)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({ app: app.server, edges: EDGES.join('\n'), listen: 'http2: all' })
  })
  after(() => stack.close())

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: [string, string][] = []) => {
      app.heads.length = 0
      return wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })
    }

    it(`tell what a rewrite has matched and made, over ${way}`, async () => {
      assert.equal((await ask('rewritten', '/v1/x?y=/v1/')).status, passes)
      assert.deepEqual(app.values('x-url'), ['http://rewritten.localhost/GET/v/x?y=/GET/v/'])
      assert.deepEqual([app.values('x-matches'), app.values('x-error')], [['/v1/|/v1/'], ['false']])
      await ask('none', '/a')
      assert.deepEqual(app.values('x-seen'), ['yes'])
      assert.equal((await ask('moved', '/a')).status, passes)
      assert.deepEqual(app.values('x-r'), ['http: http://moved.localhost/a'])
    })

    it(`refuse a path that they would decide on in two ways, over ${way}`, async () => {
      for (const [name, path, other] of [
        ['last', '/v1/%61', '/v1/%62'],
        ['fixed', '/%61', '/%62'],
        ['kept', '/%61', '/%62'],
        ['logged', '/%61', '/%62'],
      ] as const) {
        const refused = await ask(name, path)
        assert.deepEqual([refused.status, app.heads], [400, []], name)
        assert.equal((await ask(name, path.replace('%61', 'a'))).status, passes, name)
        assert.deepEqual(app.values('x-seen'), ['yes'], name)
        assert.equal((await ask(name, other)).status, passes, `both readings are alike: ${name}`)
        assert.deepEqual(app.values('x-seen'), [], name)
      }
    })

    it(`tell how an answer is compressed, over ${way}`, async () => {
      const of = async (name: string, accepted: string): Promise<string[]> =>
        valuesOf(await ask(name, '/', [['Accept-Encoding', accepted]]), 'x-c')
      assert.deepEqual(await of('small', 'gzip'), ['false/'])
      app.answerLines = ['Content-Encoding: br']
      assert.deepEqual(await of('small', 'gzip'), ['true/'])
      app.answerLines = []
      if (way === 'an upgrade') return
      assert.deepEqual(await of('large', 'gzip'), ['false/gzip'])
      assert.deepEqual(await of('large', 'br'), ['false/'])
    })
  }
})
