// Policies in ngrok's documented form, written for this test: the answers, and the requests at the app. All share one relay
// with an edge for each policy.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { loadLanguage } from '@sallyport/server'
import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import { formatPath, YamlFile } from '@sallyport/protocol/yaml-file'

import { readEdges } from '../../packages/server/src/model/read-edges.ts'
import { httpApp, startStack } from '../support/stack.ts'
import type { Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'
import { ACTIONS } from './ngrok-policies/actions.ts'
import { ANSWERS } from './ngrok-policies/answers.ts'
import { CONDITIONS } from './ngrok-policies/conditions.ts'
import { CONNECTIONS } from './ngrok-policies/connections.ts'
import { FUNCTIONS } from './ngrok-policies/functions.ts'
import { OLDER_FORMS } from './ngrok-policies/older-forms.ts'
import type { Expected, PolicyCase, Visit } from './ngrok-policies/policy-case.ts'

const ROOMS: Readonly<Record<string, readonly PolicyCase[]>> = {
  conditions: CONDITIONS,
  functions: FUNCTIONS,
  actions: ACTIONS,
  answers: ANSWERS,
  connections: CONNECTIONS,
  'older forms': OLDER_FORMS,
}
const CASES = Object.values(ROOMS).flat()
const ENVIRONMENT = { STAGE: 'blue' }

/** The policy as plain values, as `relay policy check` and the agent read it. */
function treeOf({ policy }: PolicyCase): unknown {
  const { tree, problems } = expandPolicyEnv(new YamlFile(policy, 'policy.yaml').tree, ENVIRONMENT)
  assert.deepEqual(problems, [])
  return tree
}

interface Seen {
  target: string
  headers: ReadonlyMap<string, string>
}

describe('policies in ngrok’s form (traffic policy)', { timeout: 60_000 }, () => {
  let stack: Stack
  const seen: Seen[] = []
  before(async () => {
    await loadLanguage()
    const app = httpApp((asked, response) => {
      seen.push(seenOf(asked))
      const [, status = '200'] = /\/status\/(\d+)/.exec(asked.url ?? '') ?? []
      const type = (asked.url ?? '').includes('.json') ? 'application/json' : 'text/plain'
      response.writeHead(Number(status), { 'content-type': type, server: 'app', 'x-app': 'yes', 'set-cookie': 'app=1' })
      asked.resume().on('end', () => response.end(type === 'text/plain' ? 'app' : JSON.stringify('a'.repeat(3000))))
    })
    const edges = CASES.map((each, index) =>
      JSON.stringify({
        id: `edg_p${index}`,
        hosts: [`p${index}.localhost`],
        backend: { labels: { edge: 'edg_app' } },
        policy: treeOf(each),
      }),
    )
    stack = await startStack({ app, edges: edges.map((each) => `- ${each}`).join('\n') })
  })
  after(() => stack.close())

  it('are at least sixty', () => assert.ok(CASES.length >= 60, `${CASES.length}`))

  it('use every supported action of ngrok, except those of the handshake and of providers', () => {
    const all = CASES.map(({ policy }) => policy).join('\n')
    const missing = ACTIONS_OF_NGROK.filter((type) => !new RegExp(`type"?: "?${type}\\b`).test(all))
    assert.deepEqual(missing, [])
  })

  for (const [room, cases] of Object.entries(ROOMS)) {
    describe(room, () => {
      for (const each of cases) {
        it(each.name, async () => {
          assertRemarks(each)
          for (const visit of each.visits) await assertVisit(`p${CASES.indexOf(each)}.localhost`, visit)
        })
      }
    })
  }

  function assertRemarks(each: PolicyCase): void {
    const { edges, problems, remarks } = readEdges([{ id: 'edg_p', hosts: ['p.localhost'], policy: treeOf(each) }], {
      publicUrl: new URL('http://relay.localhost'),
      identityJwt: false,
      folder: '/',
    })
    assert.ok(edges, problems?.map(({ path, message }) => `${formatPath(path)}: ${message}`).join('\n'))
    const wanted = each.remarks ?? []
    const said = remarks.map(({ path, message }) => `${formatPath(path.slice(3))}: ${message}`)
    for (const [index, line] of said.entries()) assert.match(line, wanted[index] ?? /^no remark$/)
    assert.equal(said.length, wanted.length, said.join('\n'))
  }

  async function assertVisit(host: string, [line, written, more = {}]: Visit): Promise<void> {
    seen.length = 0
    const start = stack.log.length
    if (written === 'closed') {
      await assert.rejects(ask(host, line, more), line)
      return assert.deepEqual(seen, [], line)
    }
    const expected: Expected = typeof written === 'number' ? { status: written } : written
    const answer = await ask(host, line, more)
    const told = `${line}: ${JSON.stringify([...answer.headers])} ${answer.body.slice(0, 300)} ${stack.log.at(-1)}`
    assert.equal(answer.status, expected.status, told)
    assertHeaders(answer.headers, expected.headers, told)
    if (typeof expected.body === 'string') assert.equal(answer.body, expected.body, told)
    else if (expected.body) assert.match(answer.body, expected.body)
    const app = expected.app ?? (expected.status >= 200 && expected.status < 300)
    assert.equal(seen.length, app === false ? 0 : 1, told)
    if (typeof app === 'object') {
      if (app.target !== undefined) assert.equal(seen[0]?.target, app.target)
      assertHeaders(seen[0]?.headers ?? new Map(), app.headers, told)
    }
    const { log } = expected
    if (log) await until(`the log has ${log}`, () => stack.log.slice(start).some((each) => log.test(each)))
  }

  function ask(host: string, line: string, { headers = {}, body, from = '127.0.0.1' }: NonNullable<Visit[2]>) {
    const [method = 'GET', path = '/'] = line.split(' ')
    return new Promise<{ status: number; headers: ReadonlyMap<string, string>; body: string }>((resolve, reject) => {
      const lines = Object.entries({ host, ...headers }).flatMap(([name, value]) =>
        (typeof value === 'string' ? [value] : value).flatMap((each) => [name, each]),
      )
      if (body !== undefined) lines.push('content-length', String(Buffer.byteLength(body)))
      const options = { port: stack.port, host: '127.0.0.1', localAddress: from, agent: false, headers: lines }
      const sent = request({ ...options, method, path })
      sent.on('error', reject).on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: mapOf(response.rawHeaders),
            body: Buffer.concat(chunks).toString(),
          }),
        )
      })
      sent.end(body)
    })
  }
})

/** Those that need TLS (`terminate-tls`) or a provider (`openid-connect`) have their own tests. */
const ACTIONS_OF_NGROK = [
  'add-headers',
  'remove-headers',
  'basic-auth',
  'circuit-breaker',
  'close-connection',
  'compress-response',
  'custom-response',
  'deny',
  'jwt-validation',
  'log',
  'rate-limit',
  'redirect',
  'url-rewrite',
  'restrict-ips',
  'set-vars',
  'verify-webhook',
]

function seenOf({ method = '', url = '', rawHeaders }: IncomingMessage): Seen {
  return { target: `${method} ${url}`, headers: mapOf(rawHeaders) }
}

function mapOf(raw: readonly string[]): Map<string, string> {
  const map = new Map<string, string>()
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase() // pairs
    map.set(name, [map.get(name), raw[i + 1]].filter((each) => each !== undefined).join(', '))
  }
  return map
}

function assertHeaders(headers: ReadonlyMap<string, string>, wanted: Expected['headers'] = {}, told = ''): void {
  for (const [name, value] of Object.entries(wanted)) {
    const is = headers.get(name)
    if (value instanceof RegExp) assert.match(is ?? '', value, `${name}: ${told}`)
    else assert.equal(is, value, `${name}: ${told}`)
  }
}
