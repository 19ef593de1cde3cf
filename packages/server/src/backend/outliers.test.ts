// Tests which tunnels are put aside; the test provides the clock and the random numbers.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Outliers } from './outliers.ts'
import type { OutlierChange, Sibling } from './outliers.ts'

interface Fake extends Sibling {
  name: string
  isWell: boolean
  /** The share of its answers that fail. */
  fails: number
}

const START = 1_000_000

/** A group whose tunnels get requests in turn, ten milliseconds apart; failures are spread evenly. */
class Group {
  now = START
  readonly tunnels: Fake[]
  readonly changes: string[] = []
  readonly outliers: Outliers<Fake>
  readonly #owed = new Map<Fake, number>()

  constructor(...shares: number[]) {
    this.tunnels = shares.map((fails, index) => ({ name: 'abcdefgh'[index]!, fails, isOnline: true, isWell: true }))
    this.outliers = new Outliers((tunnel, change: OutlierChange) =>
      this.changes.push(`${tunnel.name} ${change.type === 'aside' ? change.forMs : 'back'}`),
    )
  }

  /** Rounds in which each tunnel that is not aside answers once. */
  play(rounds: number, stepMs = 10): void {
    for (let round = 0; round < rounds; round++) {
      this.now += stepMs
      if (this.now >= this.outliers.nextAt) this.outliers.turn(this.now)
      for (const tunnel of this.outliers.fit(this.tunnels)) {
        const owed = (this.#owed.get(tunnel) ?? 0) + tunnel.fails
        this.#owed.set(tunnel, owed >= 1 ? owed - 1 : owed)
        this.outliers.note(tunnel, owed >= 1, this.tunnels, this.now, this.now)
      }
    }
  }

  get aside(): string {
    const fit = this.outliers.fit(this.tunnels)
    return this.tunnels.filter((tunnel) => !fit.includes(tunnel)).map(({ name }) => name).join('') // prettier-ignore
  }
}

describe('B15: Outliers', () => {
  it('B15: puts aside a tunnel that fails more than its siblings, after a random trial', () => {
    const group = new Group(1, 0)
    group.play(5)
    assert.deepEqual([group.outliers.isTrial, group.aside], [true, ''])
    group.play(13)
    assert.deepEqual([group.outliers.isTrial, group.aside], [false, 'a'])
    assert.equal(group.outliers.asideAt(group.now), 1)
    assert.equal(group.outliers.asideAt(group.now + 5000), 0)
  })

  it('B15: for a growing time, up to five minutes, each after a trial', () => {
    const group = new Group(1, 0)
    group.play(1000, 1000)
    const times = group.changes.filter((change) => !change.endsWith('back'))
    assert.deepEqual(
      times.slice(0, 8),
      [5, 10, 20, 40, 80, 160, 300, 300].map((seconds) => `a ${seconds * 1000}`),
    )
    assert.equal(group.changes[1], 'a back')
  })

  it('B15: takes it back when it is well, and starts from the shortest time after a calm while', () => {
    const group = new Group(1, 0)
    group.play(40)
    group.tunnels[0]!.fails = 0
    group.play(700, 1000)
    assert.deepEqual(group.changes, ['a 5000', 'a back'])
    group.tunnels[0]!.fails = 1
    group.play(60, 1000)
    assert.equal(group.changes[2], 'a 5000')
  })

  it('B15: puts none aside for errors that all share, however many', () => {
    for (const shares of [
      [1, 1],
      [0.5, 0.5],
      [0.7, 0.5, 0.6],
      [0.3, 0, 0.1],
    ]) {
      const group = new Group(...shares)
      group.play(5000)
      assert.deepEqual(group.changes, [], shares.join())
    }
  })

  it('B15: never puts aside more than half, or the last', () => {
    const four = new Group(1, 1, 0, 0)
    four.play(2000)
    assert.equal(four.aside, 'ab')
    const three = new Group(1, 1, 0)
    three.play(2000)
    assert.ok(three.aside.length <= 1)
    const two = new Group(1, 0)
    two.tunnels[1]!.isWell = false // its app takes no connections
    two.play(2000)
    assert.equal(two.aside, '')
    const one = new Group(1)
    one.play(2000)
    assert.deepEqual(one.changes, [])
  })

  it('B15: does not count exchanges in a trial that were picked before it', () => {
    const group = new Group(0, 0)
    const [a, b] = group.tunnels as [Fake, Fake]
    const { outliers } = group
    for (let count = 0; count < 5; count++) outliers.note(a, true, group.tunnels, START, START)
    assert.equal(outliers.isTrial, true)
    for (let count = 0; count < 100; count++) {
      outliers.note(a, true, group.tunnels, START - 1, START + 1)
      outliers.note(b, false, group.tunnels, START - 1, START + 1)
    }
    assert.equal(group.aside, '')
  })

  it('B15: gives no lever to a visitor who makes requests fail at will: chance decides where they go', () => {
    // Half of all requests are from a visitor who wants a tunnel put aside; seeds make the draws.
    for (let seed = 1; seed <= 300; seed++) {
      const group = new Group(0, 0)
      const { outliers, tunnels } = group
      let state = seed * 2_654_435_761
      const draw = (): number => {
        state = (Math.imul(state ^ (state >>> 15), 2_246_822_507) + 3_266_489_909) >>> 0
        return state / 2 ** 32
      }
      for (let asked = 0; asked < 3000; asked++) {
        const now = START + asked * 3
        if (now >= outliers.nextAt) outliers.turn(now)
        const fails = asked % 2 === 0
        // By the number of requests under way, the visitor can steer failing requests to one of the two, except during
        // a trial.
        const tunnel = tunnels[outliers.isTrial ? (draw() < 0.5 ? 0 : 1) : fails ? 0 : 1]!
        outliers.note(tunnel, fails, tunnels, now, now)
      }
      assert.deepEqual(group.changes, [], `seed ${seed}`)
    }
  })
})
