import assert from 'node:assert/strict'
import { it } from 'node:test'

import { SignedIdentity } from '../../identity/signed-identity.ts'
import { PassCounts, Passes } from './passes.ts'

it('no tenant holds more tokens than its share, over all of its actions; the one checked longest ago goes', async () => {
  const counts = new PassCounts(2)
  const identity = new SignedIdentity({ subject: 'x', issuer: 'y', groups: [] }, undefined)
  const verified: string[] = []
  const passesOf = (tenant: string) => new Passes({ tenant, counts, clock: () => 1000 })
  const use = (passes: Passes, token: string) =>
    passes.of(token, 'jwt', async () => {
      verified.push(token)
      return { identity, endsAt: 2000 }
    })
  const [mine, alsoMine, other] = [passesOf('mallory'), passesOf('mallory'), passesOf('alice')]
  for (const token of ['a', 'b', 'a']) await use(mine, token)
  assert.deepEqual(verified.splice(0), ['a', 'b'])
  await use(other, 'c')
  for (const token of ['d', 'e', 'e']) await use(alsoMine, token)
  assert.deepEqual(verified.splice(0), ['c', 'd', 'e'], 'the share is full: of this action only the latest stays')
  for (const token of ['a', 'b']) await use(mine, token)
  await use(other, 'c')
  assert.deepEqual(verified.splice(0), [], 'others keep theirs')
  await use(mine, 'f')
  await use(mine, 'a')
  assert.deepEqual(verified, ['f', 'a'], 'a was the oldest')
  for (const passes of [mine, alsoMine, other]) passes.close()
  assert.ok(!counts.isOver('mallory'))
})
