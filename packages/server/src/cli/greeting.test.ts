import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { NO_OPENSSL, makeCertificate } from '../../../../test/support/certificate.ts'
import type { Config } from '../config/config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { RELAY_VERSION } from '../version.ts'
import { certificateWarnings, greeting } from './greeting.ts'

const DAY_MS = 86_400_000
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

const surroundings = { file: 'relay.yml', admin: 'http://127.0.0.1:4041', certificates: [], now: 0 }
const greet = (config: Config): string[] => greeting(config, surroundings)

describe('first-hour 19: the greeting of a relay with a configuration', () => {
  it('tells where visitors come in and who may pass, and what to run', () => {
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
              { type: 'add-headers', config: { headers: { 'X-Part': 'docs' } } },
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
      '    /*       from 10.0.0.0/8, and sign-in at login.example.com (allow domains)',
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
      '  relay authtoken create --config relay.yml',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_docs --label part=api http://localhost:8000',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_docs http://localhost:8000',
      '  agent tunnel --server https://relay.example.com --authtoken TOKEN --label edge=edg_open http://localhost:8000',
      '',
      'Warning: everybody may pass, on a route of edg_open',
      '',
    ])
  })

  it('warns where nothing is asked of anybody, and only there', () => {
    const of = (...actions: object[]): boolean =>
      greet(configOf([{ id: 'edg_app', hosts: ['app.example.com'], policy: policy(...actions) }])).some((line) =>
        line.includes('everybody may pass'),
      )
    assert.ok(of({ type: 'remove-headers', config: { headers: ['X-Debug'] } }))
    assert.ok(of({ type: 'restrict-ips', config: { deny: ['192.0.2.0/24'] } }))
    assert.ok(!of({ type: 'deny' }))
    assert.ok(!of({ type: 'basic-auth', config: { credentials: ['ada:correct horse'] } }))
  })

  it('stays short with thousands of edges, and works without one', () => {
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

describe('first-hour 19: what is said of certificates', { timeout: 30_000 }, () => {
  let folder: string
  let file: string | undefined
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-greeting-'))
    file = (await makeCertificate(folder, ['relay.example.com', '*.docs.example.com']))?.certFile
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('names hosts without one, and what has expired or soon will', async (test) => {
    if (file === undefined) return test.skip(NO_OPENSSL)
    const certificate = new X509Certificate(await readFile(file)) // for two days
    const tls = { listen: { https: '127.0.0.1:8443' }, tls: { certificates: [{ cert_file: file, key_file: file }] } }
    const ends = certificate.validToDate.toISOString().slice(0, 10)
    const warnings = (hosts: string[], days: number): string[] =>
      certificateWarnings(
        configOf([{ id: 'edg_docs', hosts }], tls),
        [certificate],
        certificate.validToDate.getTime() + days * DAY_MS,
      )
    assert.deepEqual(warnings(['*.docs.example.com', 'a.docs.example.com'], -1), [
      `${file} expires on ${ends}; renew it`,
    ])
    assert.deepEqual(warnings(['a.docs.example.com'], 1), [`${file} has expired on ${ends}; browsers refuse it`])
    assert.match(warnings(['a.docs.example.com'], -3).join(), /is valid from \S+ on, not yet/)
    assert.deepEqual(warnings(['docs.example.com', 'a.b.docs.example.com', 'x.docs.example.com'], -1).slice(1), [
      'no certificate is for docs.example.com, a.b.docs.example.com; browsers and agents refuse what they get',
    ])
    const plain = configOf([{ id: 'edg_docs', hosts: ['docs.example.com'] }]) // TLS ends elsewhere
    assert.deepEqual(certificateWarnings(plain, [], 0), [])
  })
})
