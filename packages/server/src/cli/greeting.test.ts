import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Config } from '../config/config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { RELAY_VERSION } from '../version.ts'
import { greeting } from './greeting.ts'

const oidc = (host: string, more: object = {}): object => ({
  type: 'openid-connect',
  config: { issuer_url: `https://${host}`, client_id: 'relay', client_secret: 'secret', ...more },
})
const policy = (...actions: object[]): object => ({ on_http_request: [{ actions }] })

function configOf(edges: object[], more: object = {}): Config {
  const whole = {
    domain: 'example.com',
    public_url: 'https://relay.example.com',
    listen: { http: '127.0.0.1:8080' },
    store: 'sqlite:/var/lib/sallyport/relay.db',
    ...more,
    edges,
  }
  return parseConfig(JSON.stringify(whole), { source: 'relay.yml', env: {} })
}

const surroundings = {
  file: 'relay.yml',
  admin: 'http://127.0.0.1:4041',
  certificates: { problems: [], warnings: [] },
  remarks: [],
  relay: 'npx --no relay',
  agent: 'agent',
}
const greet = (config: Config): string[] => greeting(config, surroundings)

describe('first-hour 19: the greeting of a relay with a configuration', () => {
  it('shows the addresses, the visitors who may pass, and the next command', () => {
    const config = configOf([
      {
        id: 'edg_docs',
        hosts: ['docs.example.com', '*.docs.example.com'],
        routes: [
          { exact_path: '/health', backend: { fixed_response: { status: 204 } } },
          {
            path_prefix: '/api',
            backend: { labels: { edge: 'edg_docs', part: 'api' } },
            policy: policy({
              type: 'any-of',
              config: { actions: [{ type: 'service-token' }, oidc('login.example.com')] },
            }),
          },
          {
            path_prefix: '/',
            policy: policy(
              { type: 'restrict-ips', config: { allow: ['10.0.0.0/8'] } },
              oidc('login.example.com', { allow: { domains: ['example.com'] } }),
              { type: 'set-headers', config: { headers: { 'X-Part': 'docs' } } },
            ),
          },
        ],
      },
      { id: 'edg_open', hosts: ['open.example.com'], origin: 'https://open.example.com:8443' },
    ])
    assert.deepEqual(greet(config), [
      `Sallyport relay ${RELAY_VERSION} with relay.yml`,
      '',
      '  https://docs.example.com, https://*.docs.example.com  (edg_docs)',
      '    /health  everybody',
      '    /api/*   a service token, or sign-in at login.example.com',
      '    /*       from 10.0.0.0/8, and sign-in at login.example.com (only @example.com)',
      '',
      '  https://open.example.com:8443  (edg_open)',
      '    /*  everybody',
      '',
      '  Agents     https://relay.example.com',
      '  Admin      http://127.0.0.1:4041',
      '  Store      /var/lib/sallyport/relay.db',
      '',
      'Waiting for agents. Make an authtoken for each with the first line, and run the other beside its app:',
      '',
      '  npx --no relay authtoken create --config relay.yml',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_docs --label part=api http://localhost:8000',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_docs http://localhost:8000',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_open http://localhost:8000',
      '',
      'Warning: everybody may pass, on a route of edg_open',
      '',
    ])
  })

  it('warns of each edge that anyone may pass, and only of these', () => {
    const of = (...actions: object[]): boolean =>
      greet(configOf([{ id: 'edg_app', hosts: ['app.example.com'], policy: policy(...actions) }])).some((line) =>
        line.includes('everybody may pass'),
      )
    assert.ok(of({ type: 'remove-headers', config: { headers: ['X-Debug'] } }))
    assert.ok(of({ type: 'restrict-ips', config: { deny: ['192.0.2.0/24'] } }))
    assert.ok(!of({ type: 'deny' }))
    assert.ok(!of({ type: 'basic-auth', config: { credentials: ['ada:correct horse'] } }))
  })

  it('warns of a request header that is added beside values from visitors (traffic policy, 14.3)', () => {
    const headers = { 'X-Role': 'reader' }
    const added = { type: 'add-headers', config: { headers } }
    const warned = (...actions: object[]): string[] =>
      greet(configOf([{ id: 'edg_app', hosts: ['app.example.com'], policy: policy(...actions) }])).filter((line) =>
        line.includes('X-Role'),
      )
    const sentence = 'Warning: edg_app adds X-Role to requests, and visitors may send such a header, too; use set-headers, or remove-headers before' // prettier-ignore
    assert.deepEqual(warned(added), [sentence])
    assert.deepEqual(warned(added, { type: 'remove-headers', config: { headers: ['X-Role'] } }), [sentence])
    assert.deepEqual(warned({ type: 'remove-headers', config: { headers: ['x_role'] } }, added), [])
    assert.deepEqual(warned({ type: 'set-headers', config: { headers } }, added), [])
  })

  it('warns of certificates, untrusted ones first, and leaves a long list to relay check', () => {
    const found = (count: number, message: string): { path: string; message: string }[] =>
      Array.from({ length: count }, () => ({ path: 'x', message }))
    const certificates = { problems: found(1, 'expired'), warnings: found(3000, 'no certificate') }
    const lines = greeting(configOf([]), { ...surroundings, certificates })
    assert.deepEqual(lines.slice(lines.indexOf('Warning: expired')), [
      'Warning: expired',
      ...Array.from({ length: 4 }, () => 'Warning: no certificate'),
      '  … and 2996 more about certificates: see relay check',
      '',
    ])
  })

  it('stays short with thousands of edges, and works without any', () => {
    const edges = Array.from({ length: 3000 }, (_, index) => ({ id: `edg_${index}`, hosts: [`a${index}.example.com`] }))
    const lines = greet(configOf(edges))
    assert.ok(lines.length < 100, String(lines.length))
    assert.ok(lines.every((line) => line.length < 200))
    assert.ok(lines.includes('  … and 2980 more edges'))
    assert.ok(lines.includes('  … and 2995 more groups of tunnels'))
    assert.ok(lines.includes('Warning: everybody may pass, on a route of edg_0, edg_1, edg_2, edg_3 and 2996 more'))
    assert.match(greet(configOf([])).join('\n'), /No edge.*agent http/)
  })
})
