import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Attempts } from '../../exchange/attempts.ts'
import { noteNetwork, PasswordTries, triedUser } from './password-tries.ts'

const triesOf = (perUser: number): PasswordTries =>
  new PasswordTries({
    byNetwork: new Attempts(20),
    byUser: new Attempts(perUser),
    byNobody: new Attempts(perUser),
  })

describe('PasswordTries', () => {
  it('S7: counts a user over all networks, so a /48 has no more tries than a /64', () => {
    const tries = triesOf(10)
    const ada = triedUser('edg_a', 'ada', true)
    let done = 0
    for (let network = 0; network < 1000; network++) {
      const address = `2001:db8:0:${network.toString(16)}::1`
      if (tries.isUserExhausted(ada, address, 0)) continue
      tries.add(ada, address, 1, 0)
      done++
    }
    assert.equal(done, 10)
    assert.equal(tries.isUserExhausted(triedUser('edg_a', 'bob', true), '192.0.2.1', 0), false)
    assert.equal(tries.isUserExhausted(triedUser('edg_b', 'ada', true), '192.0.2.1', 0), false, 'of another edge')
  })

  it('S7: locks no user out of a network from which they were let in, and nobody for good', () => {
    const tries = triesOf(3)
    const ada = triedUser('edg_a', 'ada', true)
    noteNetwork(ada, '2001:db8:7:7::1')
    for (let count = 0; count < 50; count++) tries.add(ada, `198.51.100.${count}`, 1, 0)
    assert.equal(tries.isUserExhausted(ada, '2001:db8:7:7::99', 1000), false, 'the same /64')
    assert.equal(tries.isUserExhausted(ada, '203.0.113.1', 1000), true)
    assert.equal(tries.isUserExhausted(ada, '203.0.113.1', 120_001), false, 'two minutes later')
  })

  it('S7: answers for unknown names as for known ones, without pushing those out', () => {
    const tries = triesOf(2)
    const nobody = triedUser('edg_a', 'mallory', false)
    for (let count = 0; count < 2; count++) tries.add(nobody, `198.51.100.${count}`, 1, 0)
    assert.equal(tries.isUserExhausted(nobody, '203.0.113.1', 0), true)
    const ada = triedUser('edg_a', 'ada', true)
    for (let count = 0; count < 2; count++) tries.add(ada, `198.51.100.${count}`, 1, 0)
    for (let name = 0; name < 50_001; name++) tries.add(triedUser('edg_a', `n${name}`, false), '203.0.113.9', 1, 0)
    assert.equal(tries.isUserExhausted(ada, '203.0.113.1', 0), true)
  })

  it('remembers a bounded number of networks, the latest', () => {
    const ada = triedUser('edg_a', 'ada', true)
    for (let count = 0; count < 100; count++) noteNetwork(ada, `192.0.2.${count}`)
    noteNetwork(ada, '192.0.2.99')
    assert.equal(ada.networks?.size, 32)
    assert.ok(ada.networks.has('192.0.2.99') && !ada.networks.has('192.0.2.67'))
  })
})
