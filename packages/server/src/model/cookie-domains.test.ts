import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { cookieDomainsOf, sharedCookieDomain } from './cookie-domains.ts'
import { parseConfig } from '../config/parse-config.ts'

const signIn = (auth_id: string, auth_cookie_domain?: string): object => ({
  type: 'openid-connect',
  config: { issuer_url: 'https://login.example.com', client_id: 'x', auth_id, auth_cookie_domain },
})

describe('the domains of shared sessions', () => {
  it('S12: are found in every place of a policy', () => {
    const edge = (host: string, action: object): object => ({
      id: `edg_${host.replaceAll('.', '_')}`,
      hosts: [host],
      policy: { on_http_request: [{ actions: [action] }] },
    })
    const further = { ...Object(signIn('c', 'three.example.com')) }.config as object
    const withAlternative = { ...Object(signIn('b')) } as { type: string; config: object }
    const file = {
      domain: 'example.com',
      public_url: 'https://relay.example.com',
      listen: { http: 80 },
      edges: [
        edge('a.one.example.com', signIn('a', 'one.example.com')),
        edge('a.two.example.com', {
          type: 'any-of',
          config: { actions: [{ type: 'service-token' }, signIn('a', 'two.example.com')] },
        }),
        edge('a.three.example.com', {
          ...withAlternative,
          config: { ...withAlternative.config, title: 'One', alternatives: [{ ...further, title: 'Other' }] },
        }),
        edge('plain.example.com', signIn('a')),
      ],
    }
    const { edges } = parseConfig(JSON.stringify(file), { source: 'relay.yml', env: {} })
    assert.deepEqual([...cookieDomainsOf(edges)], ['one.example.com', 'two.example.com', 'three.example.com'])
  })

  it('S12: reach every host below, themselves, and hosts above, whose pages may set cookies for them', () => {
    const domains = ['apps.example.com']
    for (const host of ['apps.example.com', 'evil.apps.example.com', 'a.b.apps.example.com', 'example.com', 'com']) {
      assert.equal(sharedCookieDomain(host, domains), 'apps.example.com', host)
    }
    for (const host of ['xapps.example.com', 'evil.example.com', 'apps.example.com.evil.org', 'ple.com']) {
      assert.equal(sharedCookieDomain(host, domains), undefined, host)
    }
  })
})
