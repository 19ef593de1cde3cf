import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Config } from '../config/config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { restartKeys } from './restart-keys.ts'

const BASE = { domain: 'example.com', public_url: 'https://relay.example.com', listen: { http: 80 } }

function configOf(more: object): Config {
  return parseConfig(JSON.stringify({ ...BASE, ...more }), { source: 'relay.yml', env: { HOME: '/nowhere' } })
}

describe('restartKeys', () => {
  it('names changed keys, except edges and the authorities that their policies name', () => {
    const edges = [{ id: 'edg_docs', hosts: ['docs.example.com'] }]
    const changed = { edges, certificate_authorities: { ca_new: 'new.pem' } }
    assert.deepEqual(restartKeys(configOf({}), configOf(changed)), [])
    const further = { ...changed, listen: { http: 81 }, require_sign_in: true }
    assert.deepEqual(restartKeys(configOf({}), configOf(further)), ['listen.http', 'require_sign_in'])
  })
})
