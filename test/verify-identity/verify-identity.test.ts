// The apps of docs/identity-headers.md, as processes: they let in only visitors with a token that the relay has signed.
// Without Python or Go, or PyJWT for the app that needs it, their tests are skipped with the reason; the others always
// run.

import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHmac, createSign, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { Keys } from '../../packages/server/src/keys.ts'
import { createLog } from '../../packages/server/src/log.ts'
import { IdentityTokens } from '../../packages/server/src/identity/identity-tokens.ts'
import { openStore } from '../../packages/server/src/store/open-store.ts'

const here = import.meta.dirname
const EDGE = 'edg_docs'
const DAY_MS = 86_400_000
const ADA = {
  subject: 'user-1',
  issuer: 'https://login.example.com',
  name: 'Ädä Lovelace',
  email: 'ada@example.com',
  groups: ['staff'],
}
const APPS: Record<string, (folder: string) => Promise<string[] | { missing: string }>> = {
  'app.mjs': async () => [process.execPath, join(here, 'app.mjs')],
  'app.py': async () => await needs(['python3', '-c', 'import jwt, cryptography'], ['python3', join(here, 'app.py')]),
  'app_without_packages.py': async () =>
    await needs(['python3', '-c', ''], ['python3', join(here, 'app_without_packages.py')]),
  'app.go': async (folder) => {
    const program = join(folder, 'app')
    return needs(['go', 'build', '-o', program, join(here, 'app.go')], [program])
  },
}

describe('docs/identity-headers.md', { timeout: 180_000 }, () => {
  let folder: string
  let relay: Server
  let issuer: string
  let tokens: IdentityTokens
  let closeStore: () => Promise<void>
  /** Every kind of token that must not pass, by its fault. */
  let bad: Record<string, string>
  /** Signed by the new key, and by the old one. */
  let good: string[]

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-verify-'))
    relay = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'application/jwk-set+json' })
      response.end(JSON.stringify(tokens.jwks(Date.now())))
    }).listen(0, '127.0.0.1')
    await once(relay, 'listening')
    issuer = `http://127.0.0.1:${(relay.address() as AddressInfo).port}` // it listens on a port
    const now = Date.now()
    const monthAgo = now - 30 * DAY_MS
    const store = await openStore({ type: 'sqlite', path: join(folder, 'relay.db') })
    closeStore = () => store.close()
    const open = (iss: string, keys = new Keys(Buffer.alloc(32, 'key'))): Promise<IdentityTokens> =>
      IdentityTokens.open({ issuer: iss, store, keys, log: createLog({ level: 'silent' }), clock: () => monthAgo })
    tokens = await open(issuer)
    await tokens.rotate(now - DAY_MS) // the next one was published a day ago, and signs from now on
    const sign = (at = now, edge = EDGE): Promise<string> => tokens.sign(ADA, edge, at)
    good = [await sign(), await sign(now - 60_000)]
    const [head = '', body = '', signature = ''] = good[0]!.split('.')
    const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString()) as { kid: string }
    const jwk = tokens.jwks(now).keys.find((key) => key.kid === kid)
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const asRoot = part({ ...(JSON.parse(Buffer.from(body, 'base64url').toString()) as object), sub: 'root' })
    const hmac = (key: string): string => {
      const text = `${part({ alg: 'HS256', typ: 'JWT', kid })}.${asRoot}`
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
    }
    const other = await open('http://relay.example')
    bad = {
      nothing: '',
      'not a token': 'e30.e30.e30',
      'half a token': `${head}.${body}`,
      'no signature, alg none': `${part({ alg: 'none', typ: 'JWT', kid })}.${asRoot}.`,
      'HS256, keyed by the public key': hmac(JSON.stringify(jwk)),
      'other claims under a real signature': `${head}.${asRoot}.${signature}`,
      'a signature of zeros': `${head}.${asRoot}.${Buffer.alloc(64).toString('base64url')}`,
      'a signature that is cut': `${head}.${body}.${signature.slice(0, 43)}`,
      'a key of somebody else under the same id': signed(stranger, `${head}.${asRoot}`),
      'a key that nobody knows': signed(stranger, `${part({ alg: 'ES256', typ: 'JWT', kid: 'x' })}.${asRoot}`),
      'the token of another edge': await sign(now, 'edg_other'),
      'the token of another relay': await other.sign(ADA, EDGE, now),
      'an expired token': await sign(now - 6 * 60_000),
    }
    other.close()
  })
  after(async () => {
    tokens.close()
    relay.close().closeAllConnections()
    await closeStore()
    await rm(folder, { recursive: true, force: true })
  })

  for (const [file, prepare] of Object.entries(APPS)) {
    it(`${file} lets in only visitors with a token of the relay`, async (t) => {
      const command = await prepare(folder)
      if ('missing' in command) {
        console.log(`${file} is skipped: ${command.missing}`)
        return t.skip(command.missing)
      }
      const app = await start(command, issuer)
      t.after(() => app.process.kill())
      for (const token of good) {
        const answer = await ask(app.port, token)
        assert.equal(answer.status, 200, answer.body)
        const visitor = JSON.parse(answer.body) as Record<string, unknown>
        assert.equal(visitor.sub, ADA.subject)
        assert.equal(visitor.email, ADA.email)
        assert.equal(visitor.name, ADA.name)
        assert.deepEqual(visitor.groups, ADA.groups)
      }
      for (const [what, token] of Object.entries(bad)) {
        const answer = await ask(app.port, token)
        assert.equal(answer.status, 401, `${what}: ${answer.body}`)
        assert.doesNotMatch(answer.body, /root|user-1/, what)
      }
    })

    it(`shows ${file} unchanged`, async () => {
      const page = await readFile(join(here, '../../docs/identity-headers.md'), 'utf8')
      assert.ok(page.includes(await readFile(join(here, file), 'utf8')), `copy ${file} into the page`)
    })
  }
})

/** The command to run, or why it cannot be. */
async function needs([program = '', ...args]: string[], command: string[]): Promise<string[] | { missing: string }> {
  try {
    await promisify(execFile)(program, args, { timeout: 120_000 }) // the first build compiles Go's standard library
    return command
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string } // as execFile rejects
    if (code === 'ENOENT') return { missing: `there is no ${program}` }
    const missing = /No module named '?(\w+)/.exec(stderr ?? '')?.[1]
    if (missing) return { missing: `python3 has no ${missing}` }
    throw error
  }
}

async function start(
  [program = '', ...args]: string[],
  issuer: string,
): Promise<{ process: ChildProcess; port: number }> {
  const inherited = Object.entries(process.env).filter(([name]) => !/_proxy$/i.test(name))
  const env = { ...Object.fromEntries(inherited), RELAY_URL: issuer, EDGE_ID: EDGE, PORT: '0' }
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { process: child, port: Number(/^listening on (\d+)$/.exec(line)?.[1]) }
}

async function ask(port: number, token: string): Promise<{ status: number; body: string }> {
  const headers: Record<string, string> = token === '' ? {} : { 'sallyport-auth-jwt': token }
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers })
  return { status: response.status, body: await response.text() }
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function signed(key: KeyObject, text: string): string {
  const signature = createSign('sha256').update(text).sign({ key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}
