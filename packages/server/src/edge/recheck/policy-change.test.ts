import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { parseConfig } from '../../config/parse-config.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { loadLanguage } from '../../policy/language.ts'
import { changeBetween } from './policy-change.ts'

/** The actions of a rule, or a whole policy. */
type Written = readonly object[] | Readonly<Record<string, readonly object[]>>

const rule = (...actions: object[]): object => ({ actions })
const headers = (value: string): object => ({ type: 'set-headers', config: { headers: { 'x-a': value } } })
const ips = (...allow: string[]): object => ({ type: 'restrict-ips', config: { allow } })
const deny = { type: 'deny' }
const CLIENT = { issuer_url: 'http://127.0.0.1:1', client_id: 'relay', client_secret: 'a secret' }
const signIn = (...emails: string[]): object => ({
  type: 'openid-connect',
  config: emails.length > 0 ? { ...CLIENT, allow: { emails } } : CLIENT,
})
const anyOf = (...actions: object[]): object => ({ type: 'any-of', config: { actions } })
const password = (word: string): object => ({ type: 'basic-auth', config: { credentials: [`ada:a ${word} password`] } })
const logged = { type: 'log', config: { metadata: { a: 'b' } } }

function edgeOf(written: Written): EdgeConfig {
  const policy = Array.isArray(written)
    ? { on_http_request: written.length > 0 ? [rule(...(written as object[]))] : [] }
    : written
  const edges = [{ id: 'edg_x', hosts: ['x.localhost'], backend: { labels: { a: 'b' } }, policy }]
  const yaml = { domain: 'localhost', public_url: 'http://relay.localhost', listen: { http: 80 }, edges }
  return parseConfig(JSON.stringify(yaml), { source: 'test', env: {} }).edges[0]! // there is one
}

function change(before: Written, after: Written): string {
  const [one, other] = [edgeOf(before), edgeOf(after)].map(({ on_tcp_connect: onConnect, routes }) => ({
    onConnect,
    policy: routes[0]!.policy, // an edge has a route
  }))
  return changeBetween(one!, other!)
}

describe('how a policy differs from an earlier one', () => {
  before(loadLanguage)

  const cases: readonly [name: string, expected: string, before: Written, after: Written][] = [
    ['equal', 'none', [ips('10.0.0.0/8')], [ips('10.0.0.0/8')]],
    ['other headers', 'none', [ips('10.0.0.0/8'), headers('1')], [headers('2'), ips('10.0.0.0/8')]],
    ['other names and lines of the log', 'none', [deny], { on_http_request: [{ name: 'x', ...rule(deny, logged) }] }],
    ['a rule less, which chose nobody', 'none', { on_http_request: [rule(headers('1')), rule(deny)] }, [deny]],
    [
      'a condition of such a rule',
      'none',
      { on_http_request: [{ expressions: ["req.method == 'GET'"], ...rule(headers('1')) }, rule(deny)] },
      [headers('1'), deny],
    ],
    ['open now', 'none', [ips('10.0.0.0/8')], [headers('1')]],
    ['other addresses', 'rules', [ips('10.0.0.0/8')], [ips('10.0.0.0/16')]],
    ['another password', 'rules', [password('good')], [password('better')]],
    ['another rule', 'rules', [], [deny]],
    ['another rule for responses', 'rules', [], { on_http_response: [rule(ips('10.0.0.0/8'))] }],
    ['another rule for connections', 'rules', [], { on_tcp_connect: [rule(ips('10.0.0.0/8'))] }],
    [
      'a header that a condition may read',
      'rules',
      { on_http_request: [rule(headers('1')), { expressions: ["req.headers['x-a'] == ['1']"], ...rule(deny) }] },
      { on_http_request: [rule(headers('2')), { expressions: ["req.headers['x-a'] == ['1']"], ...rule(deny) }] },
    ],
    ['other people', 'sign-ins', [signIn('a@a.example')], [signIn('b@a.example'), headers('1')]],
    [
      'other people, as an alternative',
      'sign-ins',
      [anyOf(password('x'), signIn('a@a.example'))],
      [anyOf(password('x'), signIn())],
    ],
    ['another alternative', 'rules', [anyOf(password('x'), signIn())], [anyOf(password('y'), signIn())]],
    ['another rule beside the sign-in', 'rules', [signIn('a@a.example')], [signIn('a@a.example'), ips('10.0.0.0/8')]],
    ['a sign-in more', 'rules', [], [signIn()]],
    ['a password instead', 'rules', [signIn()], [password('good')]],
  ]
  for (const [name, expected, earlier, later] of cases) {
    it(`${name}: ${expected}`, () => assert.equal(change(earlier, later), expected))
  }
})
