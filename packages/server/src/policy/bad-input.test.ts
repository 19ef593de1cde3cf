// Bad input for policies, as far as it is judged when a policy is read. Every refusal has a place, and none takes long.

import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { ConfigError } from '@sallyport/protocol/config-error'
import { formatPath, YamlFile } from '@sallyport/protocol/yaml-file'

import { readEdges } from '../model/read-edges.ts'
import { loadLanguage } from './language.ts'

const DENY = { type: 'deny', config: {} }

function problemsOf(policy: unknown): string[] {
  const edge = { id: 'edg_p', hosts: ['p.localhost'], policy }
  const { problems } = readEdges([edge], {
    publicUrl: new URL('http://relay.localhost'),
    identityJwt: false,
    folder: '/',
  })
  return (problems ?? []).map(({ path, message }) => `${formatPath(path.slice(2))}: ${message}`)
}
const ofAction = (type: string, config: object, phase = 'on_http_request'): string =>
  problemsOf({ [phase]: [{ actions: [{ type, config }] }] }).join('\n')
const rules = (count: number, rule: object): unknown => ({
  on_http_request: Array.from({ length: count }, () => rule),
})

describe('bad input for policies (traffic policy, bad input)', () => {
  before(loadLanguage)

  it('10 000 rules are one problem, and a thousand wrong ones a thousand, without much work', () => {
    const start = process.cpuUsage()
    const wrong = { expressions: ['req.nonsense == 1'], actions: [DENY] }
    for (const rule of [{ actions: [DENY] }, wrong, { actions: [{ type: 'dney' }] }]) {
      assert.deepEqual(problemsOf(rules(10_000, rule)), ['policy.on_http_request: has more than 1000 rules'])
    }
    assert.deepEqual(problemsOf(rules(1000, { expressions: ["req.method == 'GET'"], actions: [DENY] })), [])
    const found = problemsOf(rules(1000, wrong))
    assert.equal(found.length, 1000)
    assert.match(
      found.at(-1) ?? '',
      /^policy\.on_http_request\[999\]\.expressions\[0\]: there is no variable req\.nonsense/,
    )
    assert.ok(process.cpuUsage(start).user < 10_000_000, 'less than ten seconds')
  })

  it('aliases of YAML that explode are refused, and those that save writing are read', () => {
    const levels = Array.from({ length: 9 }, (_, level) =>
      level === 0
        ? 'a0: &a0 [{ actions: [{ type: deny }] }]'
        : `a${level}: &a${level} [${`*a${level - 1}, `.repeat(10)}]`,
    )
    assert.throws(
      () => new YamlFile(`${levels.join('\n')}\non_http_request: *a8`, 'policy.yaml'),
      (error) => error instanceof ConfigError && /policy\.yaml.*alias/i.test(error.message),
    )
    const text = 'on_http_request: [{ actions: &d [{ type: deny, config: {} }] }, { actions: *d }]'
    assert.deepEqual(problemsOf(new YamlFile(text, 'policy.yaml').tree), [])
    for (const circle of ['on_http_request: &a [*a]', 'on_http_request: [&a { actions: [*a] }]']) {
      assert.throws(() => problemsOf(new YamlFile(circle, 'policy.yaml').tree), ConfigError, circle)
    }
  })

  it('headers that frame, belong to a connection, identify, or are ours are edited by no action', () => {
    const named = [
      'Connection Keep-Alive TE Trailer Transfer-Encoding Upgrade Content-Length Expect Proxy-Connection HTTP2-Settings',
      'Proxy-Authenticate Proxy_Authorization Proxy-Authentication-Info Sallyport-Auth-User-Id sallyport.auth_jwt',
      'SALLYPORT_REQUEST_ID Sallyport-Error-Code CDN-Loop X-Forwarded-For x_forwarded_proto X-Forwarded-Any Forwarded',
    ].flatMap((line) => line.split(' '))
    const closed = [...named, 'a b', 'a:b', 'a\r\nb', ':authority', '']
    const actions = {
      'add-headers': {},
      'set-headers': {},
      'remove-headers': {},
      'custom-response': {},
      redirect: { to: '/x' },
      'http-request': { url: 'https://a.internal/' },
    }
    for (const [type, more] of Object.entries(actions)) {
      for (const name of closed) {
        const headers = type === 'remove-headers' ? [name] : { [name]: 'x' }
        assert.match(ofAction(type, { ...more, headers }), /^policy\.on_http_request\[0\]\.actions\[0\]\.config\.headers/, `${type} ${JSON.stringify(name)}`) // prettier-ignore
      }
      if (type === 'remove-headers') continue
      for (const value of ['a\r\nX-Evil: 1', 'a\nb', 'a\0b', 'ü', ' a']) {
        assert.match(
          ofAction(type, { ...more, headers: { 'x-a': value } }),
          /headers/,
          `${type} ${JSON.stringify(value)}`,
        )
      }
    }
  })

  it('patterns that explode elsewhere are none, wherever a pattern is written', () => {
    const patterns = {
      '(x+x+)+y(?=z)': /is not a regular expression of RE2/,
      '(a)\\1': /is not a regular expression of RE2/,
      '(a{1000}){1000}': /repeats more than 1000 times/,
      [`${'('.repeat(2000)}a${')'.repeat(2000)}`]: /regular expression|nested/,
      ['a'.repeat(5000)]: /more than 4096 characters/,
    }
    for (const [from, problem] of Object.entries(patterns)) {
      for (const type of ['url-rewrite', 'redirect']) {
        const found = ofAction(type, { from, to: '/' })
        assert.match(found, /^policy\.on_http_request\[0\]\.actions\[0\]\.config\.from: /)
        assert.match(found, problem)
      }
      const condition = { expressions: [`req.url.path.matches(${JSON.stringify(from)})`], actions: [DENY] }
      assert.match(
        problemsOf({ on_http_request: [condition] }).join(),
        /^policy\.on_http_request\[0\]\.expressions\[0\]: /,
      )
    }
  })

  it('an expression that is long, deep or quadratic is refused wherever one is written', () => {
    const deep = `${'('.repeat(3000)}true${')'.repeat(3000)}`
    const quadratic = 'req.headers.exists(a, req.url.query_params.exists(b, req.cookies.exists(c, a == b)))'
    for (const expression of [deep, quadratic, `${'!'.repeat(20_000)}true`, '']) {
      const inPlaces: readonly (readonly [path: string, found: string])[] = [
        ['expressions[0]', problemsOf({ on_http_request: [{ expressions: [expression], actions: [DENY] }] }).join()],
        ['actions[0].config.vars[0]', ofAction('set-vars', { vars: [{ a: `\${${expression}}` }] })],
        ['actions[0].config.body', ofAction('custom-response', { body: `a \${${expression}}` })],
        [
          'actions[0].config.bucket_key[0]',
          ofAction('rate-limit', { name: 'a', algorithm: 'sliding_window', capacity: 1, rate: '60s', bucket_key: [expression] }),
        ],
        [
          'actions[0].config.retry_condition',
          ofAction('http-request', { url: 'https://a.internal/', retry_condition: expression }),
        ],
      ] // prettier-ignore
      for (const [path, found] of inPlaces) {
        assert.ok(found.startsWith(`policy.on_http_request[0].${path}`), `${path} ${expression.slice(0, 40)}: ${found}`)
      }
    }
  })
})
