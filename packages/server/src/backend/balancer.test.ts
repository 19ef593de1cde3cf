import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Balancer } from './balancer.ts'

const tunnel = (name: string, inFlight = 0, isOnline = true) => ({ name, inFlight, isOnline })

describe('Balancer', () => {
  it('takes idle tunnels in turn', () => {
    const balancer = new Balancer()
    const tunnels = [tunnel('a'), tunnel('b'), tunnel('c')]
    const picked = Array.from({ length: 6 }, () => balancer.pick(tunnels)?.name)
    assert.deepEqual(picked, ['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('takes the one with the fewest exchanges in flight', () => {
    const tunnels = [tunnel('a', 3), tunnel('b', 1), tunnel('c', 2)]
    assert.equal(new Balancer().pick(tunnels)?.name, 'b')
  })

  it('shares ties in turn', () => {
    const balancer = new Balancer()
    const tunnels = [tunnel('a', 2), tunnel('b', 2)]
    assert.deepEqual([balancer.pick(tunnels)?.name, balancer.pick(tunnels)?.name], ['a', 'b'])
  })

  it('leaves out what is offline or was tried', () => {
    const [a, b, c] = [tunnel('a', 0, false), tunnel('b'), tunnel('c', 5)]
    assert.equal(new Balancer().pick([a, b, c], new Set([b]))?.name, 'c')
    assert.equal(new Balancer().pick([a, b, c], new Set([b, c])), undefined)
    assert.equal(new Balancer().pick([]), undefined)
  })

  it('goes on in turn when tunnels leave', () => {
    const balancer = new Balancer()
    const tunnels = [tunnel('a'), tunnel('b'), tunnel('c')]
    balancer.pick(tunnels)
    balancer.pick(tunnels)
    balancer.pick(tunnels)
    assert.equal(balancer.pick(tunnels.slice(0, 1))?.name, 'a')
  })
})
