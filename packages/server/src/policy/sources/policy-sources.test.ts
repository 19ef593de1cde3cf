import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'

import { supplyOfAgent } from '../../config/supply-of.ts'
import type { Lookups } from '../engine/facts.ts'
import { NO_SECRETS, PolicySources } from './policy-sources.ts'
import type { SourceKeys } from './policy-sources.ts'

const BEFORE: SourceKeys = { secrets: NO_SECRETS, geo: {}, ip_lists: new Map(), ip_policies: new Map() }
const AFTER: SourceKeys = {
  ...BEFORE,
  region: 'eu',
  geo: { city_file: '/city.mmdb' },
  secrets: new Map([['shop', new Map([['token', new Secret('x')]])]]),
}

describe('the sources of policies when relay.yml has changed (traffic policy, 13, 14.5)', () => {
  it('stay the same objects and have the new data; an agent sees no more of it than before', () => {
    const files: { lookups: Lookups } = { lookups: {} }
    const sources = new PolicySources(BEFORE, files)
    const { ofOperator } = sources
    const ofAgent = sources.ofAgent(NO_SECRETS)
    assert.deepEqual([ofOperator.region, ofOperator.secret('shop', 'token')], [undefined, undefined])
    assert.ok(!supplyOfAgent(sources.keys, NO_SECRETS).known.has('city_file'))

    files.lookups = { city: () => undefined, lists: () => ['customers'], isOn: () => true }
    sources.take(AFTER)
    assert.deepEqual([ofOperator.region, ofOperator.secret('shop', 'token')], ['eu', 'x'])
    assert.deepEqual([ofAgent.region, ofAgent.secret('shop', 'token')], ['eu', undefined])
    assert.equal(ofOperator.lookups, files.lookups)
    assert.deepEqual(Object.keys(ofAgent.lookups), ['city', 'isOn'])
    assert.equal(ofAgent.lookups, ofAgent.lookups, 'not made for each expression')
    const supply = supplyOfAgent(sources.keys, NO_SECRETS)
    assert.ok(supply.known.has('city_file') && supply.known.has('region') && !supply.hasSecret('shop', 'token'))

    sources.take(BEFORE)
    assert.deepEqual([ofOperator.region, ofAgent.region], [undefined, undefined])
  })
})
