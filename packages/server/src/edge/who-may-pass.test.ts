import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { RouteConfig } from '../model/edge-config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { isOpenToAll, visitorsOf } from './who-may-pass.ts'

const SECRET = 'a secret that nobody reads'

function routesOf(...routes: object[]): readonly RouteConfig[] {
  const config = {
    domain: 'example.com',
    public_url: 'https://relay.example.com',
    listen: { http: '127.0.0.1:8080' },
    store: 'sqlite:/var/lib/sallyport/relay.db',
    edges: [{ id: 'edg_docs', hosts: ['docs.example.com'], routes }],
  }
  return parseConfig(JSON.stringify(config), { source: 'relay.yml', env: {} }).edges[0]?.routes ?? []
}

const asks = (...actions: object[]): object => ({ policy: { on_http_request: [{ actions }] } })
const signIn = (more: object = {}): object => ({
  type: 'openid-connect',
  config: { issuer_url: 'https://login.example.com', client_id: 'relay', client_secret: SECRET, ...more },
})
const wordsOf = (...actions: object[]): string[] => visitorsOf(routesOf({ path_prefix: '/', ...asks(...actions) }))

describe('visitorsOf (the first hour, 15)', () => {
  it('says who may visit, by name if the policy names people', () => {
    assert.deepEqual(visitorsOf(routesOf({ path_prefix: '/' })), ['everybody'])
    assert.deepEqual(wordsOf(signIn()), ['sign-in at login.example.com'])
    const allow = {
      domains: ['example.com'],
      emails: ['ada@example.org'],
      groups: { any_of: ['staff'] },
      claims: [{ claim: ['realm', 'role'], any_of: ['docs'] }],
    }
    assert.deepEqual(wordsOf(signIn({ allow, deny: { emails: ['eve@example.com'] } })), [
      'sign-in at login.example.com (only @example.com, ada@example.org, group staff, realm.role docs; not eve@example.com)',
    ])
    assert.deepEqual(wordsOf({ type: 'restrict-ips', config: { allow: ['10.0.0.0/8'] } }, signIn()), [
      'from 10.0.0.0/8, and sign-in at login.example.com',
    ])
    const routes = routesOf({ path_prefix: '/' })
    for (const [strategy, words] of [
      ['require-any', 'a client certificate'],
      ['request', 'everybody'],
    ] as const) {
      const config = { min_version: '1.2', max_version: '1.3', certificate: { strategy, authorities: [] } } as const
      assert.deepEqual(visitorsOf(routes, [{ actions: [{ type: 'terminate-tls', config }] }]), [words])
    }
    const any = { type: 'any-of', config: { actions: [{ type: 'service-token' }, signIn()] } }
    assert.deepEqual(wordsOf(any), ['a service token, or sign-in at login.example.com'])
    const credentials = [`ada:${SECRET}`]
    assert.deepEqual(wordsOf({ type: 'basic-auth', config: { credentials } }), ['a user and password'])
  })

  it('has a line for each path if they differ, and is short whatever the policy names', () => {
    assert.deepEqual(visitorsOf(routesOf({ path_prefix: '/' }, { path_prefix: '/admin', ...asks(signIn()) })), [
      '/*: everybody',
      '/admin/*: sign-in at login.example.com',
    ])
    const emails = Array.from({ length: 500 }, (_, index) => `${'a'.repeat(90)}${index}@example.com`)
    const many = Array.from({ length: 20 }, (_, index) => ({
      path_prefix: `/${index}/${'x'.repeat(300)}`,
      ...asks(index === 0 ? { type: 'deny' } : signIn({ allow: { emails } })),
    }))
    const lines = visitorsOf(routesOf(...many))
    assert.equal(lines.length, 4)
    assert.equal(lines.at(-1), 'and 17 more paths')
    assert.ok(lines.every((line) => line.length <= 300))
    assert.ok(!JSON.stringify(lines).includes(SECRET))
  })

  it('names rules that keep nobody out', () => {
    const isOpen = (...actions: object[]): boolean =>
      routesOf({ path_prefix: '/', ...asks(...actions) }).every(({ policy }) => isOpenToAll(policy))
    assert.ok(isOpen({ type: 'restrict-ips', config: { deny: ['192.0.2.0/24'] } }))
    assert.ok(!isOpen({ type: 'restrict-ips', config: { allow: ['192.0.2.0/24'] } }))
    assert.ok(!isOpen({ type: 'deny' }))
  })
})
