// Paths that the relay and an app could read differently, against routes, some of which need a password. Real relay,
// agent and sockets; the app's requests decide.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

const PASSWORD =
  '{ on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ["ada:correct horse"] } }] }] }'
const EDGES = `
- id: edg_app
  hosts: [closed.localhost]
  routes:
    - { path_prefix: /public }
    - { path_prefix: /, policy: ${PASSWORD} }
- id: edg_open
  hosts: [open.localhost]
  backend: { labels: { edge: edg_app } }
- id: edg_admin
  hosts: [admin.localhost]
  routes:
    - { path_prefix: /admin, policy: ${PASSWORD}, backend: { labels: { edge: edg_app } } }
    - { exact_path: /status, policy: ${PASSWORD}, backend: { labels: { edge: edg_app } } }
    - { path_prefix: /, backend: { labels: { edge: edg_app } } }
`

describe('S3: a path that apps read in several ways', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => (stack = await startStack({ app: app.server, edges: EDGES, listen: 'http2: all' })))
  after(() => stack.close())

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200

    it(`gets around no policy, over ${way}`, async () => {
      for (const [host, path] of [
        ['closed.localhost', '/public/a%2fb/../../admin/secret'],
        ['closed.localhost', '/public/a%5cb/../../admin/secret'],
        ['closed.localhost', '/public/a%252fb/../../admin/secret'],
        ['closed.localhost', '/public/a%2fb/%2e%2e/%2E./admin/secret'],
        ['closed.localhost', '/public/a%2fb/..;/..;x/admin/secret'],
        ['closed.localhost', '/public/..%2fadmin/secret'],
        ['closed.localhost', '/public/.'],
        ['admin.localhost', '/z/a%2fb/../../admin/secret'],
        ['admin.localhost', '/z/..%252fadmin'],
        ['admin.localhost', '//z/admin/secret'],
        ['admin.localhost', '/%5c/z/admin/secret'],
        ['admin.localhost', '/status;x%2fy'],
        ['admin.localhost', '/admin%3fx'],
        ['open.localhost', '/a%2fb/../../.sallyport/login'],
        ['open.localhost', '//z/.sallyport/login'],
      ] as const) {
        app.heads.length = 0
        assert.equal(await visit(way, stack.port, { host, path }), 400, `${host} ${path}`)
        assert.deepEqual(app.heads, [], `nothing of ${path} reaches the app`)
      }
      assert.equal(await visit(way, stack.port, { host: 'closed.localhost', path: '/admin/secret' }), 401)
      assert.equal(await visit(way, stack.port, { host: 'admin.localhost', path: '/admin/secret' }), 401)
      assert.deepEqual(app.heads, [])
    })

    it(`passes if all readings lead to one route, over ${way}`, async () => {
      for (const [host, path] of [
        ['closed.localhost', '/public/@scope%2fname'],
        ['closed.localhost', '/public/a%252fb;v=1.2/.hidden/...'],
        ['admin.localhost', '/@scope%2fname'],
        ['admin.localhost', '/x/https%3A%2F%2Fexample.com%2F?next=../../admin'],
        ['open.localhost', '/@scope%2fname'],
        ['open.localhost', '/a%2fb/../../c'],
        ['open.localhost', '//x/./y'],
      ] as const) {
        assert.equal(await visit(way, stack.port, { host, path }), passes, `${host} ${path}`)
        assert.equal(app.heads.at(-1)?.split('\r\n', 1)[0], `GET ${path} HTTP/1.1`)
      }
    })
  }
})
