// Policies in ngrok's documented form, written for this test, that need more than an app: a provider, internal endpoints, files and
// secrets of the operator, and certificates of visitors. ngrok-policies.test.ts has the others.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import { YamlFile } from '@sallyport/protocol/yaml-file'
import { loadLanguage } from '@sallyport/server'

import { edgeReader } from '../../packages/server/src/model/read-edges.ts'
import { startHostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import type { HostileProvider } from '../../packages/server/src/oidc/hostile-provider.test-support.ts'
import { KINDS } from '../../packages/server/src/policy/kinds.ts'
import { oauthKindOf } from '../../packages/server/src/policy/oauth/kind.ts'
import { OAUTH_PROVIDERS } from '../../packages/server/src/policy/oauth/oauth-providers.ts'
import { NO_OPENSSL, makeAuthority, makeCertificate, signCertificate } from '../support/certificate.ts'
import { mmdbFile } from '../support/mmdb-file.ts'
import { freePort } from '../support/processes.ts'
import { CERTIFICATES } from './ngrok-policies/certificates.ts'
import type { PolicyCase } from './ngrok-policies/policy-case.ts'
import { PolicyRunner } from './ngrok-policies/policy-runner.ts'
import {
  CITIES,
  CONFIG,
  ENDPOINTS,
  FILES,
  INTERNAL,
  NETWORKS,
  SIGN_INS,
  SOURCES,
} from './ngrok-policies/surroundings.ts'

type Environment = Readonly<Record<string, string>>

/** A line of YAML for one edge. */
function edgeOf(id: string, host: string, text: string, environment: Environment = {}): string {
  const { tree, problems } = expandPolicyEnv(new YamlFile(text, 'policy.yaml').tree, environment)
  assert.deepEqual(problems, [])
  const edge = { id: `edg_${id}`, hosts: [host], backend: { labels: { edge: 'edg_app' } }, policy: tree }
  return `- ${JSON.stringify(edge)}\n`
}

const edgesOf = (cases: readonly PolicyCase[], environment: Environment): string =>
  cases.map(({ policy }, index) => edgeOf(`p${index}`, `p${index}.localhost`, policy, environment)).join('')

function makeVisits(runner: PolicyRunner, cases: readonly PolicyCase[], all: readonly PolicyCase[]): void {
  for (const each of cases) {
    it(each.name, async () => {
      for (const visit of each.visits) await runner.assertVisit(`p${all.indexOf(each)}.localhost`, visit)
    })
  }
}

const CASES = [...SIGN_INS, ...ENDPOINTS, ...SOURCES]

describe('policies in ngrok’s form that need more than an app (traffic policy)', { timeout: 60_000 }, () => {
  const runner = new PolicyRunner()
  let provider: HostileProvider
  let folder: string

  before(async () => {
    await loadLanguage()
    folder = await mkdtemp(join(tmpdir(), 'sallyport-policies-'))
    const databases = {
      'city.mmdb': mmdbFile({ networks: CITIES }),
      'asn.mmdb': mmdbFile({ networks: NETWORKS, type: 'GeoLite2-ASN' }),
    }
    for (const [name, content] of Object.entries({ ...FILES, ...databases })) {
      await writeFile(join(folder, name), content)
    }
    provider = await startHostileProvider()
    const { issuer } = provider
    const google = { ...OAUTH_PROVIDERS.google, issuer }
    const internal = Object.entries(INTERNAL).map(([name, text]) => edgeOf(name, `${name}.internal`, text))
    await runner.start({
      port: await freePort(),
      config: CONFIG.replaceAll('FOLDER', folder),
      readEdges: edgeReader({ ...KINDS, oauth: oauthKindOf({ ...OAUTH_PROVIDERS, google }) }),
      edges: edgesOf(CASES, { ISSUER: issuer }) + internal.join(''),
    })
  })
  after(async () => {
    await runner.close()
    await provider.close()
    await rm(folder, { recursive: true, force: true })
  })

  describe('sign-ins', () => makeVisits(runner, SIGN_INS, CASES))
  describe('internal endpoints', () => makeVisits(runner, ENDPOINTS, CASES))
  describe('what the operator sets up', () => makeVisits(runner, SOURCES, CASES))
})

describe('policies in ngrok’s form about certificates of visitors (traffic policy)', { timeout: 60_000 }, () => {
  const runner = new PolicyRunner()
  let folder: string
  let hasOpenssl = false

  before(async () => {
    await loadLanguage()
    folder = await mkdtemp(join(tmpdir(), 'sallyport-policies-'))
    const hosts = CERTIFICATES.map((_, index) => `p${index}.localhost`)
    const certificate = await makeCertificate(folder, ['relay.localhost', ...hosts])
    if (!certificate) return
    hasOpenssl = true
    const ours = await makeAuthority(folder, 'ours')
    runner.certificates = { ann: await signCertificate(folder, 'ann', 'ours'), eve: await makeAuthority(folder, 'eve') }
    await runner.start({ certificate, edges: edgesOf(CERTIFICATES, { OURS: ours.cert }) })
  })
  after(async () => {
    await runner.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (const [index, each] of CERTIFICATES.entries()) {
    it(each.name, async (t) => {
      if (!hasOpenssl) return t.skip(NO_OPENSSL)
      for (const visit of each.visits) await runner.assertVisit(`p${index}.localhost`, visit)
    })
  }
})
