import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { UNKNOWN_ADDRESS, compileCidrs, identifyVisitor, plainAddress } from './client-ip.ts'
import type { Visitor } from './client-ip.ts'

const headers = (values: Record<string, string>): string[] => Object.entries(values).flat()
const nobody = (): boolean => false

/** As in the door of a listener, and in its visitors' code. */
function identify(
  socketAddress: string,
  scheme: 'http' | 'https',
  rawHeaders: string[],
  isTrusted: (address: string) => boolean,
): Visitor {
  const clientIp = plainAddress(socketAddress)
  return identifyVisitor({ clientIp, isFromProxy: isTrusted(clientIp) }, scheme, rawHeaders, isTrusted)
}

describe('identifyVisitor', () => {
  it('attack 10: ignores X-Forwarded-For if no proxy is trusted', () => {
    const visitor = identify(
      '192.0.2.9',
      'http',
      headers({ 'x-forwarded-for': '10.0.0.1', 'x-forwarded-proto': 'https' }),
      nobody,
    )
    assert.deepEqual(visitor, { clientIp: '192.0.2.9', forwardedFor: '192.0.2.9', scheme: 'http' })
  })

  it('reads the chain from the right, up to the first address that is not trusted', () => {
    const trusted = compileCidrs(['10.0.0.0/8', '127.0.0.1'])
    const visitor = identify(
      '::ffff:127.0.0.1',
      'http',
      headers({ 'x-forwarded-for': '1.1.1.1, 203.0.113.5, 10.1.2.3', 'x-forwarded-proto': 'http, https' }),
      trusted,
    )
    assert.deepEqual(visitor, {
      clientIp: '203.0.113.5',
      forwardedFor: '203.0.113.5, 10.1.2.3, 127.0.0.1',
      scheme: 'https',
    })
  })

  const trusted = compileCidrs(['10.0.0.0/8', '127.0.0.1', '2001:db8:1::/48'])
  const written: [forwardedFor: string, clientIp: string, chain: string][] = [
    ['203.0.113.5', '203.0.113.5', '203.0.113.5, 10.0.0.1'],
    ['203.0.113.5:1234', '203.0.113.5', '203.0.113.5, 10.0.0.1'],
    ['[2001:db8::1]:443', '2001:db8::1', '2001:db8::1, 10.0.0.1'],
    ['[2001:DB8::1]', '2001:db8::1', '2001:db8::1, 10.0.0.1'],
    ['2001:db8::1', '2001:db8::1', '2001:db8::1, 10.0.0.1'],
    ['::FFFF:203.0.113.5', '203.0.113.5', '203.0.113.5, 10.0.0.1'],
    ['9.9.9.9, 203.0.113.5:1, 10.0.0.2:65535', '203.0.113.5', '203.0.113.5, 10.0.0.2, 10.0.0.1'],
    ['9.9.9.9, 203.0.113.5, [2001:db8:1::7]:1', '203.0.113.5', '203.0.113.5, 2001:db8:1::7, 10.0.0.1'],
    ['10.0.0.2:1', '10.0.0.2', '10.0.0.2, 10.0.0.1'],
    ['203.0.113.5, ,', '203.0.113.5', '203.0.113.5, 10.0.0.1'],
    ['', '10.0.0.1', '10.0.0.1'],
  ]
  for (const [forwardedFor, clientIp, chain] of written) {
    it(`S14: reads ${JSON.stringify(forwardedFor)}`, () => {
      const visitor = identify('10.0.0.1', 'http', headers({ 'x-forwarded-for': forwardedFor }), trusted)
      assert.deepEqual(visitor, { clientIp, forwardedFor: chain, scheme: 'http' })
    })
  }

  for (const entry of [
    'unknown',
    '_hidden',
    'visitor.example',
    '203.0.113.5:',
    '203.0.113.5:port',
    '203.0.113.5:123456',
    '203.0.113.5 203.0.113.6',
    '[203.0.113.5]:1]',
    '2001:db8::1]:1',
    '[2001:db8::1',
    '[2001:db8::1%25eth0]',
    'fe80::1%eth0',
    '203.0.113.256',
    '0x0a000001',
    '10.1',
    '"[2001:db8::1]:1"',
  ]) {
    it(`S14: takes ${JSON.stringify(entry)} for no address, neither the proxy’s nor an earlier one`, () => {
      const visitor = identify('10.0.0.1', 'http', headers({ 'x-forwarded-for': `9.9.9.9, ${entry}` }), () => true)
      assert.equal(visitor.clientIp, UNKNOWN_ADDRESS)
      assert.equal(visitor.forwardedFor, `${UNKNOWN_ADDRESS}, 10.0.0.1`)
    })
  }
})

describe('compileCidrs', () => {
  const inside = compileCidrs(['192.0.2.0/24', '2001:db8::/32'])

  it('knows addresses of both families, and mapped ones', () => {
    assert.ok(inside('192.0.2.77'))
    assert.ok(inside('::ffff:192.0.2.77'))
    assert.ok(inside('2001:db8::1'))
  })

  it('knows addresses outside, and malformed ones', () => {
    for (const address of ['192.0.3.1', '2001:db9::1', '', 'localhost']) assert.equal(inside(address), false, address)
  })
})
