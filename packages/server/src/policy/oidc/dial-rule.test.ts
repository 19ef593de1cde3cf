import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

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

  it('lets others into a private network where home has answered from one, but not onto this machine', () => {
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
})
