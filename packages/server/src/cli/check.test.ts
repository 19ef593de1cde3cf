import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, mock } from 'node:test'

import { check } from './check.ts'

const CONFIG = `domain: localhost
public_url: http://localhost:8080
listen: { http: 127.0.0.1:8080 }
edges:
  - id: edg_a
    hosts: [a.localhost]
    routes:
      - path_prefix: /
        policy:
          inbound:
            - expressions: ["req.Method == 'PUT'"]
              actions:
                - { type: custom-response, config: { content: "no \${SALLYPORT_TEST_WORD} to \${req.Path}" } }
`

describe('relay check', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-check-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('reports older forms in policies with their places and new forms, and counts them (traffic policy, 7)', async (t) => {
    process.env['SALLYPORT_TEST_WORD'] = 'way'
    t.after(() => void delete process.env['SALLYPORT_TEST_WORD'])
    const file = join(folder, 'relay.yml')
    await writeFile(file, CONFIG)
    const log = mock.method(console, 'log', () => {})
    const error = mock.method(console, 'error', () => {})
    try {
      await check({ config: file })
    } finally {
      log.mock.restore()
      error.mock.restore()
    }
    const told = error.mock.calls.map(({ arguments: [line] }) => String(line).replaceAll(`${folder}/`, ''))
    const place = 'edges[0].routes[0].policy.inbound'
    assert.deepEqual(
      told.map((line) => line.replace(/ \(character.*/, '')),
      [
        `relay.yml:10:11 ${place}: is the older name of on_http_request; write that`,
        `relay.yml:13:54 ${place}[0].actions[0].config.content: is the older name of body; write that`,
        `relay.yml:11:29 ${place}[0].expressions[0]: req.Method is an older name; write req.method`,
        `relay.yml:13:54 ${place}[0].actions[0].config.content: req.Path is an older name; write req.url.path`,
      ].map((line) => `Warning: ${line}`),
    )
    assert.match(String(log.mock.calls[0]?.arguments[0]), /fine, 1 edge, 4 warnings\.$/)
  })
})
