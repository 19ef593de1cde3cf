import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { readPolicyText } from './policy-text.ts'

describe('readPolicyText (traffic policy)', () => {
  let server: Server
  let origin: string

  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/policy.yaml') response.end('on_http_request: []')
      else if (request.url === '/large') response.end('#'.repeat(300_000))
      else if (request.url === '/elsewhere') response.writeHead(302, { location: '/policy.yaml' }).end()
      else response.writeHead(404).end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port
  })
  after(() => server.close().closeAllConnections())

  it('reads an address, and names it as the source', async () => {
    assert.deepEqual(await readPolicyText({ trafficPolicyUrl: `${origin}/policy.yaml` }), {
      text: 'on_http_request: []',
      source: `${origin}/policy.yaml`,
    })
    assert.equal(await readPolicyText({}), undefined)
  })

  it('says why an address or a file cannot be read', async () => {
    const cases: [flags: Parameters<typeof readPolicyText>[0], reason: RegExp][] = [
      [
        { trafficPolicyUrl: `${origin}/none` },
        /^--traffic-policy-url: .*\/none cannot be read: the server answers 404\.$/,
      ],
      [{ trafficPolicyUrl: `${origin}/large` }, /\/large: This is larger than 262144 bytes/],
      [{ trafficPolicyUrl: `${origin}/elsewhere` }, /redirect/],
      [{ trafficPolicyUrl: 'http://127.0.0.1:1/policy.yaml' }, /^--traffic-policy-url: .* cannot be read: /],
      [
        { trafficPolicyUrl: 'http://example.com/policy.yaml' },
        /^--traffic-policy-url: .* is not encrypted; use https:/,
      ],
      [{ trafficPolicyUrl: 'policy.yaml' }, /^--traffic-policy-url: "policy\.yaml" is not an address/],
      [{ trafficPolicyUrl: 'file:///etc/passwd' }, /is not an address/],
      [{ trafficPolicyFile: '/nowhere/policy.yaml' }, /^\/nowhere\/policy\.yaml: There is no such file/],
      [{ policyFile: '/nowhere/policy.yaml' }, /^\/nowhere\/policy\.yaml: There is no such file/],
      [{ trafficPolicyFile: 'a', trafficPolicyUrl: 'https://b.example' }, /give one of the two/],
    ]
    for (const [flags, message] of cases) await assert.rejects(readPolicyText(flags), { name: 'ConfigError', message })
  })
})
