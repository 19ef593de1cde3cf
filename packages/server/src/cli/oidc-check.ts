// `relay oidc check`: checks whether visitors could sign in with a provider, before one of them tries. With an issuer
// it checks that one; without, every sign-in of the configuration. The report goes to standard output.

import type { Command } from 'commander'

import type { Config } from '../config/config.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { loadConfig, loadPublicUrl, parsePublicUrl } from '../config/load-config.ts'
import { parseOpenidConnect } from '../model/parse-openid-connect.ts'
import { signInsOf } from '../model/sign-ins.ts'
import type { ProviderReport } from '../oidc/check/check-provider.ts'

const TIMEOUT_MS = 10_000 // as timeouts.provider_seconds by default
const MARKS = { fine: '✔', note: '•', unchecked: '?', problem: '✘' } as const
const ABOUT_WIDTH = 14

export interface OidcCheckOptions {
  config?: string
  edge?: string
  clientId?: string
  clientSecret?: string
  clientAuthentication?: string
  idTokenAlg?: string
  scope?: string[]
  publicUrl?: string
  providerCaFile?: string
  json?: boolean
}

interface Subject {
  config: OpenidConnectConfig
  /** Ids of the edges with this sign-in; none on the command line. */
  edges: string[]
}

export async function checkOidc(
  issuer: string | undefined,
  options: OidcCheckOptions,
  command: Command,
): Promise<void> {
  const wrongUsage = (path: string, message: string): never =>
    command.error(`error: ${path} ${message}`, { exitCode: 2 })
  const { subjects, publicOrigin, timeoutMs } = await subjectsOf(issuer, options, wrongUsage)
  const { checkProvider } = await import('../oidc/check/check-provider.ts') // with openid-client, which no other command needs
  const reports: (ProviderReport & { edges: string[] })[] = []
  for (const { config, edges } of subjects) {
    const report = await checkProvider({ config, publicOrigin, timeoutMs, clock: Date.now })
    reports.push({ ...report, edges })
    if (!options.json) print(report, edges)
  }
  if (options.json) {
    console.log(JSON.stringify({ ok: reports.every(({ ok }) => ok), providers: reports }, undefined, 2))
  }
  if (!reports.every(({ ok }) => ok)) process.exitCode = 1
}

interface Subjects {
  subjects: Subject[]
  publicOrigin: string | undefined
  timeoutMs: number
}

/** Ends the command with a sentence about its arguments. */
type WrongUsage = (path: string, message: string) => never

async function subjectsOf(
  issuer: string | undefined,
  options: OidcCheckOptions,
  wrongUsage: WrongUsage,
): Promise<Subjects> {
  const { config: file = process.env.SALLYPORT_CONFIG || undefined, edge } = options
  if (issuer !== undefined) {
    if (edge !== undefined) return wrongUsage('--edge', 'chooses among the sign-ins of --config; omit ISSUER')
    const publicUrl =
      options.publicUrl !== undefined
        ? readPublicUrl(options.publicUrl, wrongUsage)
        : file === undefined
          ? undefined
          : await loadPublicUrl(file, process.env)
    return {
      subjects: [{ config: configOf(issuer, options, wrongUsage), edges: [] }],
      publicOrigin: publicUrl?.origin,
      timeoutMs: TIMEOUT_MS,
    }
  }
  if (file === undefined) {
    return wrongUsage(
      'ISSUER',
      'is missing; name one, or check all sign-ins of a configuration with --config relay.yml',
    )
  }
  for (const [flag, value] of Object.entries(CLIENT_FLAGS).map(([key, name]) => [name, options[key as ClientKey]])) {
    if (value !== undefined) return wrongUsage(String(flag), 'goes with ISSUER; without one, relay.yml says it')
  }
  const config = await loadConfig({ file, env: process.env })
  const subjects = subjectsIn(config, edge)
  if (subjects.length === 0) {
    return wrongUsage(
      file,
      edge === undefined ? 'has no openid-connect and no oauth' : `has no edge ${edge} with openid-connect or oauth`,
    )
  }
  return {
    subjects,
    publicOrigin: config.public_url.origin,
    timeoutMs: config.timeouts.provider_seconds * 1000,
  }
}

const CLIENT_FLAGS = {
  clientId: '--client-id',
  clientSecret: '--client-secret',
  clientAuthentication: '--client-authentication',
  idTokenAlg: '--id-token-alg',
  scope: '--scope',
  publicUrl: '--public-url',
  providerCaFile: '--provider-ca-file',
} as const
type ClientKey = keyof typeof CLIENT_FLAGS

function readPublicUrl(written: string, wrongUsage: WrongUsage): URL {
  const read = parsePublicUrl(written)
  return 'problem' in read ? wrongUsage('--public-url', read.problem) : read.url
}

function configOf(issuer: string, options: OidcCheckOptions, wrongUsage: WrongUsage): OpenidConnectConfig {
  if (options.clientId === undefined) return wrongUsage('--client-id', 'is missing; the provider has given you one')
  const { problems, config } = parseOpenidConnect({
    issuer_url: issuer,
    client_id: options.clientId,
    client_secret: options.clientSecret,
    client_authentication: options.clientAuthentication,
    id_token_alg: options.idTokenAlg,
    scopes: options.scope,
    provider_ca_file: options.providerCaFile,
  })
  if (config) return config
  const { path, message } = problems[0]!
  const key = String(path[0])
  return wrongUsage(
    key === 'issuer_url' ? 'ISSUER' : `--${key.replace(/^scopes$/, 'scope').replaceAll('_', '-')}`,
    message,
  )
}

/** Edges that sign in in the same way are checked once. */
function subjectsIn({ edges }: Config, only: string | undefined): Subject[] {
  const subjects = new Map<string, Subject>()
  for (const { edgeId, config } of signInsOf(edges.filter(({ id }) => only === undefined || id === only))) {
    const {
      issuer_url,
      client_id,
      client_secret,
      client_key,
      client_authentication,
      id_token_alg,
      scopes,
      provider_ca_file,
    } = config
    const key = JSON.stringify([
      [issuer_url, client_id, client_secret?.reveal(), client_key, client_authentication, id_token_alg, scopes],
      [config.authz_url_params, provider_ca_file],
    ])
    const known = subjects.get(key)
    if (!known) subjects.set(key, { config, edges: [edgeId] })
    else if (!known.edges.includes(edgeId)) known.edges.push(edgeId)
  }
  return [...subjects.values()]
}

function print(report: ProviderReport, edges: readonly string[]): void {
  const at = edges.length > 0 ? `, for ${edges.join(', ')}` : ''
  console.log(`${report.issuer_url} as client ${report.client_id}${at}\n`)
  for (const { verdict, about, message, details } of report.findings) {
    console.log(`  ${MARKS[verdict]} ${about.padEnd(ABOUT_WIDTH)}${message}`)
    for (const line of details) console.log(`    ${' '.repeat(ABOUT_WIDTH)}${line}`)
  }
  if (report.redirect_uri !== undefined) {
    console.log(`\n  Redirect URI to register      ${report.redirect_uri}`)
    if (report.post_logout_redirect_uri !== undefined)
      console.log(`  Post-logout redirect URI      ${report.post_logout_redirect_uri}`)
    if (report.backchannel_logout_uri !== undefined)
      console.log(`  Back-channel logout URI       ${report.backchannel_logout_uri}`)
  }
  console.log(`\n${summaryOf(report.findings)}\n`)
}

/** "Fine." appears only if everything was checked: many people read only the last line. */
function summaryOf(findings: ProviderReport['findings']): string {
  const { length } = findings.filter(({ verdict }) => verdict === 'problem')
  const open = findings.filter(({ verdict }) => verdict === 'unchecked').map(({ about }) => about)
  if (length === 0 && open.length === 0) return 'Fine.'
  const found = length === 0 ? 'No problem found' : length === 1 ? '1 problem' : `${length} problems`
  if (open.length === 0) return `${found}.`
  return `${found}${length === 0 ? ', but' : ', and'} not everything could be checked: ${open.join(', ')}.`
}
