import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { createLog } from '../log.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { EdgeSignIns } from './edge-sign-ins.ts'
import { configFor } from './harness.test-support.ts'
import type { SignInParts } from './sign-in/parts.ts'
import { Providers } from './providers.ts'
import { Registrations } from './registrations.ts'

const ISSUER = 'https://login.example.com'
const ROLES = { claims: [{ claim: 'roles', any_of: ['staff'] }] }

describe('the sign-ins of an edge (the house, 4)', () => {
  const registrations = new Registrations()
  const providers = new Providers({
    timeoutMs: 1000,
    authorities: undefined,
    clock: Date.now,
    log: createLog({ level: 'silent' }),
  })

  function make(edgeId: string, ...fields: Partial<OpenidConnectConfig>[]): EdgeSignIns {
    const identityTokens = { identifier: () => () => assert.fail('nobody comes') }
    const parts = { clock: Date.now, identityTokens } as unknown as SignInParts
    const signIns = new EdgeSignIns({ edgeId, reach: undefined, parts, registrations, providers })
    for (const each of fields) signIns.action(configFor(ISSUER, each))
    return signIns
  }
  const authIdsOf = (edgeId: string): string[] => registrations.ofEdge(edgeId).map(({ config }) => config.auth_id)

  it('are known from their publication until others are published, or they are closed', () => {
    const first = make('edg_docs', { auth_id: 'a' }, { auth_id: 'b' }, { auth_id: 'a' })
    assert.deepEqual(authIdsOf('edg_docs'), [])
    first.publish()
    assert.deepEqual(authIdsOf('edg_docs'), ['a', 'b'])
    const [a, b] = registrations.ofEdge('edg_docs')
    const second = make('edg_docs', { auth_id: 'b' }, { auth_id: 'c' })
    assert.deepEqual(authIdsOf('edg_docs'), ['a', 'b'])
    second.publish()
    first.close()
    assert.deepEqual(authIdsOf('edg_docs'), ['b', 'c'])
    assert.equal(registrations.ofScope(a!.scope), undefined)
    assert.equal(registrations.ofScope(b!.scope), registrations.ofEdge('edg_docs')[0])
    assert.equal(registrations.find({ ...b!.name, host: 'docs.example.com' }).ok, true)
    assert.equal(registrations.find({ ...a!.name, host: 'docs.example.com' }).ok, false)
    make('edg_docs').publish()
    assert.equal(registrations.has('edg_docs'), false, 'an edge that asks nobody to sign in')
    second.close()
  })

  it('require of a session what current routes of any edge need', () => {
    const shared = { auth_id: 'team', auth_cookie_domain: 'example.com' }
    const [plain, picky] = [make('edg_one', shared), make('edg_two', { ...shared, allow: ROLES })]
    plain.publish()
    const [registration] = registrations.ofEdge('edg_one')
    const needed = (): string[] => [...registration!.needs.claims.keys()]
    assert.deepEqual(needed(), [])
    picky.publish()
    assert.deepEqual(needed(), ['roles'])
    picky.close()
    assert.deepEqual(needed(), [])
    plain.close()
    assert.deepEqual(needed(), [], 'a sign-in under way has its own needs still')
  })

  it('share a provider while one of them takes it', () => {
    const providerOf = (edgeId: string): unknown => registrations.ofEdge(edgeId)[0]?.provider
    const first = make('edg_docs', {}, {})
    first.publish()
    const known = providerOf('edg_docs')
    const second = make('edg_docs', {})
    second.publish()
    first.close()
    first.close()
    assert.equal(providerOf('edg_docs'), known)
    second.close()
    const third = make('edg_docs', {})
    third.publish()
    assert.notEqual(providerOf('edg_docs'), known)
    third.close()
  })
})
