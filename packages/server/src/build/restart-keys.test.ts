import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Config } from '../config/config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { restartKeys, takenKeys } from './restart-keys.ts'

const BASE = { domain: 'example.com', public_url: 'https://relay.example.com', listen: { http: 80 } }

function configOf(more: object): Config {
  return parseConfig(JSON.stringify({ ...BASE, ...more }), { source: 'relay.yml', env: { HOME: '/nowhere' } })
}

describe('restartKeys', () => {
  it('names the keys that take effect at a restart, and separately the keys whose data policies read', () => {
    const edges = [{ id: 'edg_docs', hosts: ['docs.example.com'] }]
    const changed = { edges, certificate_authorities: { ca_new: 'new.pem' } }
    assert.deepEqual(restartKeys(configOf({}), configOf(changed)), [])
    const data = {
      region: 'eu',
      secrets: { shop: { token: 'x' } },
      geo: { city_file: 'city.mmdb' },
      ip_lists: { tor: 'tor.txt' },
      ip_policies: { ipp_a: { allow: ['192.0.2.0/24'] } },
    }
    assert.deepEqual(restartKeys(configOf({}), configOf(data)), [])
    const taken = ['geo.city_file', 'ip_lists', 'ip_policies', 'region', 'secrets']
    assert.deepEqual(takenKeys(configOf({}), configOf(data)), taken)
    assert.deepEqual(takenKeys(configOf(data), configOf({ ...data, ...changed })), ['certificate_authorities.ca_new'])
    const further = { ...changed, listen: { http: 81 }, require_sign_in: true }
    assert.deepEqual(restartKeys(configOf({}), configOf(further)), ['listen.http', 'require_sign_in'])
  })
})
