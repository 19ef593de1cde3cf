// `set-vars` and `log`: the values that they keep and write, and their failures. Asserted at the app, at
// the visitor and in the log, in each of the ways that a visitor can come. Real relay, agent and sockets.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS } from '../support/three-ways.ts'
import { valuesOf, wholeAnswer } from '../support/whole-answer.ts'

interface Rule {
  name?: string
  expressions?: string[]
  actions: object[]
}

const set = (headers: object): object => ({ type: 'set-headers', config: { headers } })
const vars = (...items: object[]): object => ({ type: 'set-vars', config: { vars: items } })
const log = (metadata: object): object => ({ type: 'log', config: { metadata } })
const deny = (status_code: number): object => ({ type: 'deny', config: { status_code } })
const edge = (name: string, onRequest: Rule[], onResponse: Rule[] = []): string =>
  JSON.stringify({
    id: `edg_${name}`,
    hosts: [`${name}.localhost`],
    backend: { labels: { edge: 'edg_app' } },
    policy: { on_http_request: onRequest, on_http_response: onResponse },
  })

const EDGES = [
  edge(
    'vars',
    [
      {
        actions: [
          vars({ n: '${size(req.host)}' }, { twice: '${vars.n * 2}' }, { list: ['a', '${vars.twice}', { k: true }] }),
          set({ 'X-Twice': '${vars.twice}', 'X-List': '${vars.list}' }),
        ],
      },
      { expressions: ['vars.list[1] == 28 && vars.list[2].k'], actions: [set({ 'X-Rule': 'ran' })] },
    ],
    [{ expressions: ["'n' in vars"], actions: [set({ 'X-Leaked': 'yes' })] }],
  ),
  edge('varpath', [
    { actions: [vars({ path: '${req.url.path}' })] },
    { expressions: ["vars.path.startsWith('/admin')"], actions: [deny(403)] },
  ]),
  edge('doubles', [
    { actions: [vars({ v: 'xxxxxxxx' }, ...Array.from({ length: 30 }, () => ({ v: ['${vars.v}', '${vars.v}'] })))] },
  ]),
  edge('log', [
    {
      name: 'who',
      actions: [log({ host: '${req.host}', in: "${getQueryParam('q')}", n: 1, deep: { a: ['${1 + 1}'] } })],
    },
  ]),
  edge('results', [
    {
      actions: [
        { type: 'basic-auth', config: { credentials: ['ada:correct horse'] } },
        { type: 'restrict-ips', config: { allow: ['127.0.0.0/8', '10.0.0.0/8'] } },
        set({ 'X-One': '1' }),
        { type: 'remove-headers', config: { headers: ['X-In'] } },
        set({
          'X-Ips': '${actions.ngrok.restrict_ips.action} ${actions.sallyport.restrict_ips.matched_cidr}',
          'X-User': "${has(actions.ngrok.oidc.identity) ? 'signed in' : actions.ngrok.basic_auth.credentials.username}",
          'X-Edits': '${actions.sallyport.set_headers.headers_set} ${actions.ngrok.remove_headers.headers_removed}',
        }),
      ],
    },
  ]),
]

describe('set-vars and log (traffic policy, 14.2, 14.9, 14.10)', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({
      app: app.server,
      edges: EDGES.map((each) => `- ${each}`).join('\n'),
      listen: 'http2: all',
    })
  })
  after(() => stack.close())

  const logged = (): Record<string, unknown>[] => stack.log.map((line) => JSON.parse(line) as Record<string, unknown>)

  for (const way of WAYS) {
    const fine = way === 'an upgrade' ? 101 : 200
    const ask = (name: string, path = '/', headers: [string, string][] = []) =>
      wholeAnswer(way, stack.port, { host: `${name}.localhost`, path, headers })
    const refused = async (code: string, ...asked: Parameters<typeof ask>): Promise<void> => {
      const heads = app.heads.length
      assert.deepEqual(valuesOf(await ask(...asked), 'sallyport-error-code'), [code])
      assert.equal(app.heads.length, heads, 'nothing has reached the app')
    }

    it(`refuse a path with two readings, over ${way}`, async () => {
      await refused('ERR_PATH_AMBIGUOUS', 'varpath', '/%61dmin')
      assert.equal((await ask('varpath', '/admin')).status, 403)
      assert.equal((await ask('varpath', '/caf%c3%a9')).status, fine)
    })

    it(`read the variables of set-vars, over ${way}`, async () => {
      const answer = await ask('vars')
      assert.deepEqual(app.values('x-twice'), ['28'])
      assert.deepEqual(app.values('x-list'), ['["a",28,{"k":true}]'])
      assert.deepEqual(app.values('x-rule'), ['ran'])
      assert.equal(answer.status, fine)
      assert.deepEqual(valuesOf(answer, 'x-leaked'), [], 'variables of requests do not exist in responses')
      await refused('ERR_EXPRESSION_FAILED', 'doubles')
    })

    it(`write lines for the log, over ${way}`, async () => {
      const before_ = logged().filter(({ msg }) => msg === 'policy log').length
      await ask('log', '/?q=a%1b[2J%0a$%7breq.host%7d')
      const lines = logged().filter(({ msg }) => msg === 'policy log')
      assert.equal(lines.length, before_ + 1)
      const { rule, metadata, edgeId } = lines.at(-1) ?? {}
      assert.equal(rule, 'on_http_request[0] "who"')
      assert.equal(edgeId, 'edg_log')
      const sent = ['a\u001b[2J\n${req.host}']
      assert.deepEqual(metadata, { host: 'log.localhost', in: sent, n: 1, deep: { a: [2] } })
    })

    it(`read the results of actions, over ${way}`, async () => {
      await ask('results', '/', [['Authorization', `Basic ${btoa('ada:correct horse')}`]])
      assert.deepEqual(app.values('x-ips'), ['allow 127.0.0.0/8'])
      assert.deepEqual(app.values('x-user'), ['ada'])
      assert.deepEqual(app.values('x-edits'), ['{"x-one":"1"} x-in'])
    })
  }

  it('name the variable in the log', () => {
    const details = logged().map(({ detail }) => String(detail))
    for (const pattern of [/^vars\.v of set-vars: /]) {
      assert.ok(
        details.some((detail) => pattern.test(detail)),
        String(pattern),
      )
    }
  })
})
