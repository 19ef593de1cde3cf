import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { IssuerReach } from '../../config/issuer-reach.ts'
import { DialRule } from './dial-rule.ts'

describe('DialRule', () => {
  const [home, other] = ['https://login.example.com', 'https://keys.example.com']

  it('lets home be anywhere', () => {
    const rule = new DialRule(`${home}/realms/staff`)
    for (const address of ['93.184.216.34', '10.0.0.1', '127.0.0.1']) {
      assert.equal(rule.refusedOf(home, [address]), undefined)
    }
  })

  it('keeps others outside, by any of their addresses', () => {
    const rule = new DialRule(home)
    rule.answered(home, '93.184.216.34')
    assert.equal(rule.refusedOf(other, ['93.184.216.35']), undefined)
    assert.equal(rule.refusedOf(other, ['93.184.216.35', '10.0.0.1']), '10.0.0.1')
    assert.equal(rule.refusedOf(`${home}:8443`, ['127.0.0.1']), '127.0.0.1', 'another port is another origin')
  })

  it('lets others into a private network if home has answered from one, but not onto this machine', () => {
    const rule = new DialRule(home)
    assert.equal(rule.refusedOf(other, ['10.0.0.2']), '10.0.0.2', 'a name alone says nothing')
    rule.answered(other, '10.0.0.9')
    assert.equal(rule.refusedOf(other, ['10.0.0.2']), '10.0.0.2')
    rule.answered(home, '10.0.0.1')
    assert.equal(rule.refusedOf(other, ['10.0.0.2']), undefined)
    assert.equal(rule.refusedOf(other, ['127.0.0.1']), '127.0.0.1')
    assert.equal(rule.refusedOf(other, ['169.254.169.254']), '169.254.169.254')
    rule.answered(home, '93.184.216.34')
    assert.equal(rule.refusedOf(other, ['10.0.0.2']), '10.0.0.2')
  })

  it('gives a provider on this machine no private network', () => {
    const rule = new DialRule('http://localhost:9000')
    rule.answered('http://localhost:9000', '127.0.0.1')
    assert.equal(rule.refusedOf(other, ['10.0.0.2']), '10.0.0.2')
  })
  const reachOf = (public_url: string, host: string, ...private_issuers: string[]): IssuerReach =>
    new IssuerReach({
      public_url: new URL(public_url),
      listen: { http: { host, port: 80 } },
      endpoints: { private_issuers },
    })

  it('S8: keeps an issuer that an agent has named outside, too', () => {
    const rule = new DialRule(home, reachOf('https://relay.example.com', '0.0.0.0'))
    assert.equal(rule.refusedOf(home, ['93.184.216.34', '2606:2800:220:1::1']), undefined)
    for (const address of ['127.0.0.1', '::1', '::', '0.0.0.0', '::ffff:7f00:1', '169.254.169.254', 'fe80::1%eth0']) {
      assert.equal(rule.refusedOf(home, ['93.184.216.34', address]), address)
    }
    // An answer from such an address changes nothing.
    rule.answered(home, '10.0.0.1')
    for (const origin of [home, other]) assert.equal(rule.refusedOf(origin, ['10.0.0.2']), '10.0.0.2')
  })

  it('S8: lets it into the private networks that the operator lists, never onto a machine or link', () => {
    const rule = new DialRule(home, reachOf('https://relay.example.com', '0.0.0.0', '10.0.5.0/24', '0.0.0.0/0', '::/0'))
    for (const origin of [home, other]) {
      assert.equal(rule.refusedOf(origin, ['10.0.5.9']), undefined)
      for (const address of ['127.0.0.1', '::1', '169.254.169.254', 'fd00:ec2::254', '168.63.129.16']) {
        assert.equal(rule.refusedOf(origin, [address]), address)
      }
    }
  })

  it('S8: lets it, but nothing that it names, be on the machine of a local relay', () => {
    const rule = new DialRule('http://idp.localhost:9', reachOf('http://relay.localhost:8080', '127.0.0.1'))
    assert.equal(rule.refusedOf('http://idp.localhost:9', ['127.0.0.1']), undefined)
    assert.equal(rule.refusedOf('http://idp.localhost:10', ['127.0.0.1']), '127.0.0.1')
    assert.equal(rule.refusedOf('http://idp.localhost:9', ['10.0.0.1']), '10.0.0.1')
  })
})
