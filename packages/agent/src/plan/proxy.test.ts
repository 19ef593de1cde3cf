import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { planAgent } from './agent-plan.ts'
import { parseProxyUrl, proxyFromEnvironment } from './proxy.ts'
import type { Environment } from './proxy.ts'
import { parseRelayAddress } from './relay-address.ts'

function find(server: string, environment: Environment): string | undefined {
  const relay = parseRelayAddress(server)
  assert.ok(!('problem' in relay))
  return proxyFromEnvironment(relay, environment)?.value
}

describe('proxyFromEnvironment', () => {
  it('chooses by the scheme of the relay, then ALL_PROXY, in either case', () => {
    const environment = { HTTPS_PROXY: 'secure', http_proxy: 'plain', ALL_PROXY: 'any' }
    assert.equal(find('https://relay.example.com', environment), 'secure')
    assert.equal(find('http://relay.example.com', environment), 'plain')
    assert.equal(find('http://relay.example.com', { ALL_PROXY: 'any' }), 'any')
    assert.equal(find('https://relay.example.com', { HTTPS_PROXY: '' }), undefined)
    assert.equal(find('https://relay.example.com', {}), undefined)
  })

  it('is never used for a relay on the same machine', () => {
    for (const server of ['http://localhost:8080', 'https://a.localhost', 'http://127.0.0.1:1', 'http://[::1]:1']) {
      assert.equal(find(server, { HTTPS_PROXY: 'p', HTTP_PROXY: 'p' }), undefined, server)
    }
  })

  it('leaves out only hosts that NO_PROXY covers', () => {
    const covered = (server: string, noProxy: string): boolean =>
      find(server, { HTTPS_PROXY: 'p', NO_PROXY: noProxy }) === undefined
    for (const noProxy of [
      '*',
      'example.com',
      '.example.com',
      '*.example.com',
      'a, relay.example.com',
      'RELAY.example.com:443',
    ]) {
      assert.equal(covered('https://relay.example.com', noProxy), true, noProxy)
    }
    for (const noProxy of [
      '',
      'ample.com',
      'relay.example.com:8443',
      'xrelay.example.com',
      'example.co',
      '10.0.0.0/8',
    ]) {
      assert.equal(covered('https://relay.example.com', noProxy), false, noProxy)
    }
    for (const noProxy of ['10.1.2.3', '10.0.0.0/8', '0.0.0.0/0'])
      assert.equal(covered('https://10.1.2.3', noProxy), true, noProxy)
    for (const noProxy of ['10.1.2.4', '11.0.0.0/8', '10.0.0.0/33', '10.0.0.0/x', '::/0']) {
      assert.equal(covered('https://10.1.2.3', noProxy), false, noProxy)
    }
    assert.equal(covered('https://[fd00::1]', 'fd00::/8'), true)
  })
})

describe('planAgent', () => {
  const plan = (more: { proxyUrl?: string; environment?: Environment }): ReturnType<typeof planAgent> =>
    planAgent({
      server: 'https://relay.example.com',
      authtoken: 'sp_123456789012345678901234567890',
      tunnels: [{ upstream: '8000', labels: ['a=b'] }],
      ...more,
    })

  it('B10: names a proxy of the environment that it cannot use, and continues without it', () => {
    for (const [name, value] of [
      ['ALL_PROXY', 'socks5h://user:hunter2@127.0.0.1:1080'],
      ['HTTPS_PROXY', 'http://'],
    ] as const) {
      const { proxy, warnings } = plan({ environment: { [name]: value } })
      assert.equal(proxy, undefined)
      assert.match(warnings.join('\n'), new RegExp(`^${name} is not used, the relay is dialled directly\\.`))
      assert.doesNotMatch(warnings.join('\n'), /hunter2/)
    }
    assert.deepEqual(plan({ environment: { ALL_PROXY: 'http://proxy:3128' } }).warnings, [])
  })

  it('refuses an unusable proxy from a flag', () => {
    assert.throws(() => plan({ proxyUrl: 'socks5h://127.0.0.1:1080' }), /--proxy-url/)
  })
})

describe('parseProxyUrl', () => {
  it('takes http and https, and a bare host', () => {
    for (const text of ['http://proxy:3128', 'https://proxy', 'proxy:3128'])
      assert.ok(parseProxyUrl(text) instanceof URL)
  })

  it('names a scheme that it cannot speak, without repeating a password', () => {
    for (const text of ['socks5://user:hunter2@proxy', 'http://', 'http://user:hunter2@a b']) {
      const proxy = parseProxyUrl(text)
      assert.ok('problem' in proxy)
      assert.doesNotMatch(proxy.problem, /hunter2/)
    }
  })
})
