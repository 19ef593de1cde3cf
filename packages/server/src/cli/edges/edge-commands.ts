// `relay edge …` and `relay audit list`: work on the store that the configuration names, also while a relay runs on it,
// which takes a change over by itself. Standard output has documents, lists and what to do next; standard error the rest.

import { userInfo } from 'node:os'
import { isDeepStrictEqual } from 'node:util'

import { expandEnv } from '@sallyport/protocol/expand-env'
import { printYaml } from '@sallyport/protocol/print-yaml'

import type { Config } from '../../config/config.ts'
import { loadConfig, localConfig } from '../../config/load-config.ts'
import { originOn } from '../../edge/origin-on.ts'
import { ConfigError } from '../../errors.ts'
import { Keys } from '../../keys.ts'
import { redirectUri } from '../../model/redirect-uri.ts'
import { AuditLog } from '../../operator/audit.ts'
import { EdgeConflict, EdgeDesk } from '../../operator/edge-desk.ts'
import type { ChangeResult, EdgeSpec, StoredEdgeView } from '../../operator/edge-desk.ts'
import { loadLanguage } from '../../policy/language.ts'
import { randomBase62 } from '../../store/random-base62.ts'
import type { Store } from '../../store/store.ts'
import { child } from '../../values/written-tree.ts'
import { awaitInUse } from './await-in-use.ts'
import { readEdgeFiles } from './edge-files.ts'
import { changeLines } from './print-changes.ts'
import { printTable, shownTime } from '../stored/print-table.ts'
import { withStore, type StoreOption } from '../stored/with-store.ts'

const HOST_CHARS = 8
const CONFLICT = 3

interface DryRunOption extends StoreOption {
  dryRun?: boolean
}

/** The flags of `create` and `set`. */
interface DescribeOptions extends DryRunOption {
  host?: string[]
  description?: string
  open?: boolean
  oidcIssuer?: string
  oidcClientId?: string
  oidcClientSecret?: string
  allowEmail?: string[]
  allowDomain?: string[]
  allowGroup?: string[]
  json?: boolean
}

interface Desk {
  desk: EdgeDesk
  config: Config
  store: Store
}

export async function listEdges(options: StoreOption & { json?: boolean }): Promise<void> {
  await atDesk(options, async ({ desk, config }) => {
    const stored = await desk.list()
    if (options.json) return console.log(JSON.stringify(stored.map(asJson), undefined, 2))
    const rows = [
      ...config.edges.map((edge) => [edge.id, edge.hosts.join(' '), 'relay.yml', '', '', edge.description ?? '']),
      ...stored.map((edge) => [
        edge.id,
        hostsOf(edge.spec).join(' '),
        edge.managed_by ?? 'store',
        edge.disabled ? 'disabled' : `version ${edge.version}`,
        shownTime(edge.updated_at),
        descriptionIn(edge.spec),
      ]),
    ]
    if (rows.length === 0) return console.error(`There are no edges. Make one with: relay edge create`)
    printTable(['ID', 'HOSTS', 'SOURCE', 'STATE', 'CHANGED (UTC)', 'DESCRIPTION'], rows)
  })
}

export async function getEdge(id: string, options: StoreOption & { json?: boolean }): Promise<void> {
  await atDesk(options, async ({ desk }) => {
    const edge = await existing(desk, id)
    if (options.json) console.log(JSON.stringify(asJson(edge), undefined, 2))
    else process.stdout.write(printYaml(edge.spec))
  })
}

export async function exportEdges(options: StoreOption): Promise<void> {
  await atDesk(options, async ({ desk }) => {
    const edges = (await desk.list()).map(({ spec }) => spec)
    process.stdout.write(printYaml({ edges }))
  })
}

export async function createEdge(options: DescribeOptions & { id?: string }): Promise<void> {
  await atDesk(options, async ({ desk, config }) => {
    const { id = desk.newId() } = options
    const hosts = options.host ?? [`${randomBase62(HOST_CHARS).toLowerCase()}.${config.domain}`]
    const spec: EdgeSpec = { id, hosts, ...descriptionOf(options), policy: policyOf(options) ?? NOT_OPEN_YET }
    const result = await desk.put(spec, { expectedRevision: 0, ...dryRunOf(options) }).catch((error: unknown) => {
      if (error instanceof EdgeConflict)
        throw new ConfigError([{ path: '--id', message: `there is an edge ${id} already; see: relay edge get ${id}` }])
      throw error
    })
    await done(result, options)
    if (options.json || options.dryRun) return
    printEndpoints(hosts, config)
    printAccess(id, options, config)
    console.log(`\nStart a tunnel beside your app:\n  agent tunnel --label edge=${id} http://localhost:8000`)
  })
}

export async function setEdge(id: string, options: DescribeOptions): Promise<void> {
  await atDesk(options, async ({ desk, config }) => {
    const { spec, revision } = await existing(desk, id)
    const { policy: before, ...rest } = spec
    const simple = simplePolicy(before)
    const policy = policyOf(options, simple === 'replaceable' ? undefined : simple)
    if (policy && ('routes' in spec || !simple)) {
      const message = `has a policy that says more than these flags can; use relay edge get, an editor, and relay edge apply`
      throw new ConfigError([{ path: id, message }])
    }
    const next = {
      ...rest,
      ...(options.host && { hosts: options.host }),
      ...descriptionOf(options),
      ...(policy ? policy !== OPEN && { policy } : before !== undefined && { policy: before }),
    }
    const result = await desk.put(next, { expectedRevision: revision, ...dryRunOf(options) })
    await done(result, options)
    if (!options.json && !options.dryRun && policy) printAccess(id, options, config)
  })
}

export async function applyEdges(
  options: DryRunOption & { file: string[]; owner: string; prune?: boolean; json?: boolean },
): Promise<void> {
  const { owner } = options
  const written = await readEdgeFiles(options.file)
  const { tree, problems } = expandEnv(
    written.map(({ edge }) => edge),
    process.env,
  )
  const sourceOf = (index: unknown): string => written[Number(index)]?.source ?? ''
  if (problems.length > 0)
    throw new ConfigError(problems.map(({ path, message }) => ({ path: sourceOf(path[0]), message })))
  const specs = tree as EdgeSpec[] // readEdgeFiles() lets only objects pass
  await atDesk(options, async ({ desk }) => {
    const results: ChangeResult[] = []
    const found: { path: string; message: string }[] = []
    for (const [index, spec] of specs.entries()) {
      try {
        results.push(await desk.put(spec, { managedBy: owner, dryRun: true }))
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error
        found.push(...error.problems.map(({ path, message }) => ({ path: `${sourceOf(index)}: ${path}`, message })))
      }
    }
    if (found.length > 0) throw new ConfigError(found) // before anything is written
    const ids = new Set(specs.map(({ id }) => id))
    const all = options.prune ? await desk.list() : []
    const pruned = all.filter((edge) => edge.managed_by === owner && !ids.has(edge.id))
    if (options.dryRun) {
      for (const { id } of pruned) results.push(await desk.remove(id, { dryRun: true }))
    } else {
      results.length = 0
      for (const { id } of pruned) results.push(await desk.remove(id)) // first, so that their hosts are free
      for (const spec of specs) results.push(await desk.put(spec, { managedBy: owner }))
    }
    if (options.json) console.log(JSON.stringify(results.map(resultAsJson), undefined, 2))
    else for (const result of results) for (const line of changeLines(result)) console.log(line)
    console.error(summaryOf(results, options.dryRun ?? false))
    if (options.dryRun) return
    await tellInUse(results, options)
  })
}

/** By the name of the command. */
export const EDGE_SWITCHES = {
  delete: (id: string, options: DryRunOption) => switched(options, (desk, dryRun) => desk.remove(id, dryRun)),
  disable: (id: string, options: DryRunOption) =>
    switched(options, (desk, dryRun) => desk.setDisabled(id, true, dryRun)),
  enable: (id: string, options: DryRunOption) =>
    switched(options, (desk, dryRun) => desk.setDisabled(id, false, dryRun)),
} as const

export async function restoreEdge(id: string, version: string, options: DryRunOption): Promise<void> {
  const number = Number(version)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new ConfigError([{ path: version, message: `is no version; see: relay edge history ${id}` }])
  await switched(options, (desk, dryRun) => desk.restore(id, number, dryRun))
}

export async function edgeHistory(id: string, options: StoreOption & { json?: boolean }): Promise<void> {
  await atDesk(options, async ({ desk }) => {
    const current = await desk.get(id)
    const versions = [...(await desk.history(id)), ...(current ? [current] : [])].toReversed()
    if (versions.length === 0)
      throw new ConfigError([{ path: id, message: `there is no such edge; see: relay edge list` }])
    if (options.json) return console.log(JSON.stringify(versions.map(asJson), undefined, 2))
    printTable(
      ['VERSION', 'CHANGED (UTC)', 'HOSTS', 'DESCRIPTION'],
      versions.map(({ version, updated_at, spec }) => [
        version === current?.version ? `${version} (now)` : String(version),
        shownTime(updated_at),
        hostsOf(spec).join(' '),
        descriptionIn(spec),
      ]),
    )
  })
}

export async function listAudit(options: StoreOption & { limit: string; json?: boolean }): Promise<void> {
  const limit = Number(options.limit)
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > 1000)
    throw new ConfigError([{ path: '--limit', message: `"${options.limit}" is not a number from 1 to 1000` }])
  await atDesk(options, async ({ store }) => {
    const { entries } = await new AuditLog(store).page({ limit })
    if (options.json)
      return console.log(
        JSON.stringify(
          entries.map(({ key, value }) => ({ id: key, ...value })),
          undefined,
          2,
        ),
      )
    if (entries.length === 0) return console.error('Nothing has been changed yet.')
    printTable(
      ['TIME (UTC)', 'WHO', 'ACTION', 'TARGET', 'CHANGES'],
      entries.map(({ value: { time, actor, via, action, target, changes } }) => [
        shownTime(time),
        `${actor.name} (${via})`,
        action,
        [target.id, target.name].filter((part) => part !== undefined).join(' '),
        changes.map(({ path }) => path.join('.')).join(', '),
      ]),
    )
  })
}

async function atDesk(options: StoreOption, work: (desk: Desk) => Promise<void>): Promise<void> {
  const { config: file = process.env['SALLYPORT_CONFIG'] || undefined } = options
  const config = file === undefined ? localConfig(process.env) : await loadConfig({ file, env: process.env })
  await loadLanguage()
  const author = { actor: { kind: 'local', name: userInfo().username }, via: 'cli' } as const
  const open = async (store: Store): Promise<Desk & { close(): Promise<void> }> => {
    const keys = await Keys.open({ storePath: config.store.path, env: process.env })
    return { desk: new EdgeDesk({ store, keys, config, author }), config, store, close: async () => {} }
  }
  try {
    await withStore(options, open, work)
  } catch (error) {
    if (!(error instanceof EdgeConflict)) throw error
    console.error(error.message)
    process.exitCode = CONFLICT
  }
}

async function switched(
  options: DryRunOption,
  change: (desk: EdgeDesk, dryRun: { dryRun?: boolean }) => Promise<ChangeResult>,
): Promise<void> {
  await atDesk(options, async ({ desk }) => done(await change(desk, dryRunOf(options)), options))
}

/** Shows the change, and waits until a relay that runs uses it. */
async function done(result: ChangeResult, options: DryRunOption & { json?: boolean }): Promise<void> {
  if (options.json) console.log(JSON.stringify(resultAsJson(result), undefined, 2))
  else for (const line of changeLines(result)) console.log(line)
  if (options.dryRun) console.error('Nothing was written: this is a dry run.')
  else await tellInUse([result], options)
}

/** One line for all changes that are in use. Exit code 1 if one is saved and not in use. */
async function tellInUse(results: readonly ChangeResult[], options: StoreOption): Promise<void> {
  const good = new Set<string>()
  for (const { id, action, edge } of results) {
    if (action === 'nothing') continue
    const { sentence, isGood } = await awaitInUse(id, edge?.revision, options)
    if (isGood) {
      good.add(sentence)
      continue
    }
    console.error(results.length === 1 ? sentence : `${id}: ${sentence}`)
    process.exitCode = 1
  }
  for (const sentence of good) console.error(sentence)
}

async function existing(desk: EdgeDesk, id: string): Promise<StoredEdgeView> {
  const edge = await desk.get(id)
  if (edge) return edge
  throw new ConfigError([{ path: id, message: `there is no such edge in the store; see: relay edge list` }])
}

function dryRunOf({ dryRun }: DryRunOption): { dryRun?: boolean } {
  return dryRun ? { dryRun } : {}
}

function descriptionOf({ description }: DescribeOptions): { description?: string } {
  return description === undefined ? {} : { description }
}

/** Deny by default: an edge is closed until somebody says who may visit. */
const NOT_OPEN_YET = { on_http_request: [{ name: 'not open yet', actions: [{ type: 'deny' }] }] } as const
const OPEN = {} as const

/**
 * @param before the sign-in until now: its secret stays if its provider and client do
 * @returns undefined if no flag is about access
 */
function policyOf(options: DescribeOptions, before?: SignIn): object | undefined {
  const { open = false, oidcIssuer, oidcClientId, allowEmail, allowDomain, allowGroup } = options
  const secret = options.oidcClientSecret ?? process.env['SALLYPORT_OIDC_CLIENT_SECRET'] ?? undefined
  if (oidcIssuer === undefined) {
    const [flag] = Object.entries({ '--oidc-client-id': oidcClientId, '--oidc-client-secret': options.oidcClientSecret, '--allow-email': allowEmail, '--allow-domain': allowDomain, '--allow-group': allowGroup }).find(([, value]) => value !== undefined) ?? [] // prettier-ignore
    if (flag !== undefined) throw new ConfigError([{ path: flag, message: 'needs --oidc-issuer' }])
    return open ? OPEN : undefined
  }
  if (open)
    throw new ConfigError([{ path: '--open', message: 'lets everyone in, and --oidc-issuer does not; write one' }])
  if (oidcClientId === undefined)
    throw new ConfigError([{ path: '--oidc-client-id', message: 'is missing; --oidc-issuer needs it' }])
  const allow = {
    ...(allowEmail && { emails: allowEmail }),
    ...(allowDomain && { domains: allowDomain }),
    ...(allowGroup && { groups: { any_of: allowGroup } }),
  }
  const isSame = before?.issuer_url === oidcIssuer && before.client_id === oidcClientId
  const client_secret = secret ?? (isSame ? before.client_secret : undefined)
  const config = {
    issuer_url: oidcIssuer,
    client_id: oidcClientId,
    ...(client_secret !== undefined && { client_secret }),
    ...(Object.keys(allow).length > 0 && { allow }),
  }
  return signInPolicy(config)
}

/** The sign-in of a policy that these commands have made; `replaceable` without a sign-in; undefined if there is more. */
function simplePolicy(policy: unknown): SignIn | 'replaceable' | undefined {
  if (policy === undefined || isDeepStrictEqual(policy, OPEN) || isDeepStrictEqual(policy, NOT_OPEN_YET))
    return 'replaceable'
  const action = child(child(child(child(policy, 'on_http_request'), 0), 'actions'), 0)
  const config = child(action, 'config')
  if (typeof config !== 'object' || config === null) return undefined
  const isOurs =
    isDeepStrictEqual(policy, signInPolicy(config)) && Object.keys(config).every((key) => SIGN_IN_KEYS.includes(key))
  return isOurs ? config : undefined
}

type SignIn = { issuer_url?: unknown; client_id?: unknown; client_secret?: unknown }
const SIGN_IN_KEYS = ['issuer_url', 'client_id', 'client_secret', 'allow']

function signInPolicy(config: object): object {
  return { on_http_request: [{ name: 'sign-in', actions: [{ type: 'openid-connect', config }] }] }
}

function printEndpoints(hosts: readonly string[], { public_url: publicUrl }: Config): void {
  console.log(`It serves ${hosts.map((host) => originOn(publicUrl, host)).join(' and ')}`)
}

function printAccess(id: string, { open, oidcIssuer }: DescribeOptions, { public_url: publicUrl }: Config): void {
  if (oidcIssuer !== undefined) {
    console.log(`\nRegister this redirect URI at ${oidcIssuer}:\n  ${redirectUri(publicUrl.origin, oidcIssuer)}`)
    console.log(`Whether the provider will sign visitors in: relay oidc check ${oidcIssuer}`)
  } else if (open) {
    console.log('Everyone who knows the address can visit it.')
  } else {
    console.log(`\nNobody can visit it yet. Say who may, with one of these:
  relay edge set ${id} --oidc-issuer https://login.example.com --oidc-client-id sallyport
  relay edge set ${id} --open`)
  }
}

function descriptionIn({ description }: EdgeSpec): string {
  return typeof description === 'string' ? description : ''
}

function hostsOf({ hosts }: EdgeSpec): string[] {
  return Array.isArray(hosts) ? hosts.map(String) : []
}

function asJson({ created_at, updated_at, spec, id, ...rest }: StoredEdgeView): object {
  return {
    id,
    ...rest,
    created_at: new Date(created_at).toISOString(),
    updated_at: new Date(updated_at).toISOString(),
    source: { kind: 'store' },
    ...spec,
  }
}

function resultAsJson({ id, action, changes, edge }: ChangeResult): object {
  return { id, action, changes, ...(edge && { edge: asJson(edge) }) }
}

function summaryOf(results: readonly ChangeResult[], isDryRun: boolean): string {
  const counted = (['create', 'update', 'delete', 'nothing'] as const).flatMap((action) => {
    const { length } = results.filter((result) => result.action === action)
    return length === 0 ? [] : [`${length} ${SUMMARY[action]}`]
  })
  return `${counted.join(', ') || 'no edges'}${isDryRun ? '. Nothing was written: this is a dry run.' : '.'}`
}

const SUMMARY = { create: 'made', update: 'changed', delete: 'deleted', nothing: 'unchanged' } as const
