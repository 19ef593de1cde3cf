// S4: headers that an app behind CGI rules takes for ours, with any character instead of the dash. Real relay, agent
// and sockets; the bytes that reach the app count.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { freePort } from '../support/processes.ts'
import { sendRaw } from '../support/raw-client.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { WAYS, visit } from '../support/three-ways.ts'

/** RFC 9110 5.6.2: the characters of a token beside letters and digits. */
const OTHERS = "!#$%&'*+-.^_`|~".split('')

const OURS = [
  'Sallyport-Auth-User-Id',
  'Sallyport-Auth-User-Name',
  'Sallyport-Auth-User-Email',
  'Sallyport-Auth-User-Groups',
  'Sallyport-Auth-Jwt',
  'Sallyport-Auth-Access-Token',
  'Sallyport-Request-Id',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Forwarded-Uri',
  'X-Real-IP',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Original-Host',
  'X-Client-IP',
  'True-Client-IP',
  'Proxy-Authorization',
  'Content-Length',
]

const SECRET = 'a secret that both of them have known since long ago'
const action = (type: string, config: object): object => ({ on_http_request: [{ actions: [{ type, config }] }] })
const jwt = (forward: boolean): object =>
  action('jwt-validation', {
    issuer: { allow_list: [{ value: 'acme.com' }] },
    audience: { allow_list: [{ value: 'docs' }] },
    jws: { keys: { sources: { shared_secret: SECRET } } },
    http: { tokens: [{ method: 'header', name: 'X-My-Token' }] },
    forward_credentials: forward,
  })
const POLICIES: readonly (readonly [host: string, policy: object | undefined])[] = [
  ['open', undefined],
  ['signed-in', action('basic-auth', { credentials: ['ada:correct horse'] })],
  ['edited', action('remove-headers', { headers: ['X-My-Secret'] })],
  ['set', action('set-headers', { headers: { 'X-My-Secret': 'ours' } })],
  ['kept', jwt(true)],
  ['withheld', jwt(false)],
]
const EDGES = POLICIES.map(([name, policy]) =>
  JSON.stringify({
    id: `edg_${name}`,
    hosts: [`${name}.localhost`],
    routes: [{ path_prefix: '/', backend: { labels: { edge: 'edg_app' } }, ...(policy !== undefined && { policy }) }],
  }),
)

const AUTHORIZATION = ['authorization', `Basic ${Buffer.from('ada:correct horse').toString('base64')}`] as const

function token(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + 60
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iss: 'acme.com', aud: 'docs', sub: 'job', exp })}`
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`
}

/** As lighttpd passes a header to CGI: no server goes further. */
const cgiName = (name: string): string => `HTTP_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`

describe('S4: a header in another spelling', { timeout: 60_000 }, () => {
  let stack: Stack
  const app = new RecordingApp()
  before(async () => {
    stack = await startStack({
      app: app.server,
      edges: EDGES.map((edge) => `- ${edge}`).join('\n'),
      listen: 'http2: all',
    })
  })
  after(() => stack.close())

  /** The values that an app behind CGI rules gets under a name, in every spelling. */
  const cgiValues = (name: string): string[] =>
    app.lines.flatMap(([each, value]) => (cgiName(each) === cgiName(name) ? [value] : []))

  for (const way of WAYS) {
    const passes = way === 'an upgrade' ? 101 : 200

    it(`forges nothing that the relay says, over ${way}`, async () => {
      const ids: string[] = []
      for (const host of ['open.localhost', 'signed-in.localhost']) {
        const own = host.startsWith('signed') ? [AUTHORIZATION] : []
        for (const other of OTHERS) {
          const names = OURS.filter((name) => other !== '-' || !/^(?:content|proxy)-/i.test(name))
          const forged = names.map((name) => [name.replaceAll('-', other), 'evil'] as const)
          const mixed = [`Sallyport${other}Auth-User_Email`, 'evil'] as const
          const init = { host, headers: [...own, ...forged, mixed, ['x-kept', 'yes'] as const] }
          assert.equal(await visit(way, stack.port, init), passes, `${other} at ${host}`)
          assert.doesNotMatch(app.heads.at(-1)!, /evil/, `${other} at ${host}`)
          assert.deepEqual(app.values('x-kept'), ['yes'])
          assert.deepEqual(cgiValues('X-Forwarded-For'), ['127.0.0.1'])
          assert.deepEqual(cgiValues('Sallyport-Auth-User-Id'), host.startsWith('signed') ? ['ada'] : [])
          ids.push(...cgiValues('Sallyport-Request-Id'))
        }
      }
      // first-hour 13: one for each request, whatever the visitor sends.
      assert.equal(ids.length, 2 * OTHERS.length)
      assert.equal(new Set(ids).size, ids.length)
      for (const id of ids) assert.match(id, /^req_[0-9a-z]{7,}$/)
    })

    it(`gets around neither remove-headers nor set-headers, over ${way}`, async () => {
      for (const other of OTHERS) {
        const headers = [[`x${other}my${other}secret`, 'evil'] as const, ['x-my-secrets', 'yes'] as const]
        for (const [host, values] of [
          ['edited.localhost', []],
          ['set.localhost', ['ours']],
        ] as const) {
          assert.equal(await visit(way, stack.port, { host, headers }), passes, other)
          assert.deepEqual(cgiValues('X-My-Secret'), values, other)
          assert.deepEqual(cgiValues('X-My-Secrets'), ['yes'])
        }
      }
    })

    it(`adds no second token to the one that was verified, over ${way}`, async () => {
      for (const other of OTHERS.filter((each) => each !== '-')) {
        const valid = token()
        const headers = [['x-my-token', valid] as const, [`x${other}my${other}token`, 'evil'] as const]
        for (const [host, values] of [
          ['kept.localhost', [valid]],
          ['withheld.localhost', []],
        ] as const) {
          assert.equal(await visit(way, stack.port, { host, headers }), passes, other)
          assert.deepEqual(cgiValues('X-My-Token'), values, other)
        }
      }
    })
  }

  it('passes if no app takes it for another', async () => {
    const headers = OTHERS.map((other) => [`x${other}own`, 'mine'] as const)
    await visit('HTTP/1.1', stack.port, { host: 'open.localhost', headers })
    assert.equal(cgiValues('X-Own').length, OTHERS.length)
  })

  it('is dropped if Connection lists it in yet another one', async () => {
    for (const other of OTHERS) {
      const headers = [['Connection', `X${other}Hop`] as const, ['X-Hop', 'evil'] as const, ['X+Hop', 'evil'] as const]
      await visit('HTTP/1.1', stack.port, { host: 'open.localhost', headers })
      assert.doesNotMatch(app.heads.at(-1)!, /evil/, other)
    }
  })
})

const php = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'php'))
  .find((path) => existsSync(path))

describe('S4: PHP', { skip: php === undefined && 'no php on this machine', timeout: 60_000 }, () => {
  it('sees only the identity from the relay', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-php-'))
    const script =
      '<?php foreach ($_SERVER as $k => $v) if (preg_match("/^HTTP_(SALLYPORT|X_REAL)/", $k)) echo "$k = $v\\n";'
    await writeFile(join(folder, 'index.php'), script)
    const port = await freePort()
    const server = spawn(php!, ['-S', `127.0.0.1:${port}`, '-t', folder], { stdio: ['ignore', 'ignore', 'pipe'] })
    const exited = once(server, 'exit')
    for await (const chunk of server.stderr.iterator({ destroyOnReturn: false }))
      if (/started/.test(String(chunk))) break
    server.stderr.resume()
    const stack = await startStack({
      app: createServer(),
      upstream: `http://127.0.0.1:${port}`,
      edges: EDGES.map((edge) => `- ${edge}`).join('\n'),
    })
    try {
      const lines = [`${AUTHORIZATION[0]}: ${AUTHORIZATION[1]}`]
      for (const other of ['.', '_', '-']) {
        for (const name of OURS.slice(0, 6)) lines.push(`${name.replaceAll('-', other)}: evil`)
        lines.push(`X${other}Real${other}IP: evil`)
      }
      const answer = await sendRaw(
        stack.port,
        `GET /index.php HTTP/1.1\r\nHost: signed-in.localhost\r\nConnection: close\r\n${lines.join('\r\n')}\r\n\r\n`,
      )
      assert.match(answer, /HTTP_SALLYPORT_AUTH_USER_ID = ada/)
      assert.doesNotMatch(answer, /evil|REAL_IP/)
    } finally {
      await stack.close()
      server.kill()
      await exited
      await rm(folder, { recursive: true, force: true })
    }
  })
})
