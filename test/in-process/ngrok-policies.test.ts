// Policies in ngrok's documented form, written for this test: the answers, and the requests at the app. All share one relay
// with an edge for each policy.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { loadLanguage } from '@sallyport/server'
import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import { formatPath, YamlFile } from '@sallyport/protocol/yaml-file'

import { readEdges } from '../../packages/server/src/model/read-edges.ts'
import { ACTIONS } from './ngrok-policies/actions.ts'
import { ANSWERS } from './ngrok-policies/answers.ts'
import { CONDITIONS } from './ngrok-policies/conditions.ts'
import { CONNECTIONS } from './ngrok-policies/connections.ts'
import { FUNCTIONS } from './ngrok-policies/functions.ts'
import { OLDER_FORMS } from './ngrok-policies/older-forms.ts'
import type { PolicyCase } from './ngrok-policies/policy-case.ts'
import { PolicyRunner } from './ngrok-policies/policy-runner.ts'

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

describe('policies in ngrok’s form (traffic policy)', { timeout: 60_000 }, () => {
  const runner = new PolicyRunner()
  before(async () => {
    await loadLanguage()
    const edges = CASES.map((each, index) =>
      JSON.stringify({
        id: `edg_p${index}`,
        hosts: [`p${index}.localhost`],
        backend: { labels: { edge: 'edg_app' } },
        policy: treeOf(each),
      }),
    )
    await runner.start({ edges: edges.map((each) => `- ${each}`).join('\n') })
  })
  after(() => runner.close())

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
          for (const visit of each.visits) await runner.assertVisit(`p${CASES.indexOf(each)}.localhost`, visit)
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
