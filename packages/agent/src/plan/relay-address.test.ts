import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseRelayAddress } from './relay-address.ts'
import type { RelayAddress } from './relay-address.ts'

function parse(text: string): RelayAddress {
  const relay = parseRelayAddress(text)
  assert.ok(!('problem' in relay))
  return relay
}

describe('parseRelayAddress', () => {
  for (const text of [
    'https://relay.example.com',
    'wss://relay.example.com/',
    'relay.example.com',
    'RELAY.example.com:443',
  ]) {
    it(`takes ${text} for an encrypted relay`, () => {
      const relay = parse(text)
      assert.equal(relay.url, 'https://relay.example.com')
      assert.equal(relay.webSocketUrl, 'wss://relay.example.com/.sallyport/agent')
      assert.deepEqual([relay.tls, relay.inClear, relay.port], [true, false, 443])
    })
  }

  it('takes http and ws unchanged, and says when the authtoken would cross a network in clear', () => {
    assert.equal(parse('ws://localhost:8080').url, 'http://localhost:8080')
    assert.equal(parse('http://10.0.0.1:8080').webSocketUrl, 'ws://10.0.0.1:8080/.sallyport/agent')
    for (const here of ['http://localhost:1', 'http://a.localhost:1', 'http://127.8.9.1', 'ws://[::1]:1']) {
      assert.equal(parse(here).inClear, false, here)
    }
    for (const far of [
      'http://relay.example.com',
      'ws://10.0.0.1',
      'http://localhost.example.com',
      'http://127.0.0.1.example.com',
    ]) {
      assert.equal(parse(far).inClear, true, far)
    }
  })

  for (const text of [
    '',
    'ftp://relay',
    'https://',
    'relay:0',
    'https://relay/path',
    'https://relay?x',
    'https://a:b@relay',
    'https://a b',
  ]) {
    it(`says what is wrong with ${JSON.stringify(text)}`, () => assert.ok('problem' in parseRelayAddress(text)))
  }
})
