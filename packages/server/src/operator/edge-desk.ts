// Where the operator changes the edges of the store: the checks before a change, and one commit of the edge, its hosts,
// its history and the audit entry. A relay that runs follows the store by itself (edge/stored/stored-edges.ts).

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { formatPath } from '@sallyport/protocol/yaml-file'

import type { Config } from '../config/config.ts'
import { storedEdgesPlace } from '../config/stored-edges-place.ts'
import { edgeBuckets, HISTORY_MAX, historyKey, hostsIn } from '../edge/stored/stored-edge.ts'
import type { EdgeBuckets, StoredEdge } from '../edge/stored/stored-edge.ts'
import { readStoredEdge } from '../edge/stored/stored-edges.ts'
import { sealSecrets, SecretBoxes } from '../edge/stored/stored-secrets.ts'
import { ConfigError } from '../errors.ts'
import type { Keys } from '../keys.ts'
import { edgeInCurrentForm } from '../model/schema/current-form.ts'
import { KINDS } from '../policy/kinds.ts'
import { randomBase62 } from '../store/random-base62.ts'
import { StoreConflict, type Entry, type Store, type Write } from '../store/store.ts'
import { differences, type Difference } from './differences.ts'
import { AuditLog, type Author } from './audit.ts'

const ID_CHARS = 12
const PAGE_ROWS = 200

export interface EdgeDeskInit {
  readonly store: Store
  readonly keys: Keys
  /** Of the relay: its edges have precedence over those of the store. */
  readonly config: Config
  readonly author: Author
  readonly now?: () => number
}

/** A document of relay.yml's form, with marks in the place of secrets. */
export type EdgeSpec = Readonly<Record<string, unknown>>

export interface StoredEdgeView extends Pick<StoredEdge, 'spec' | 'version' | 'disabled' | 'managed_by'> {
  readonly id: string
  /** Of the store: whoever has seen another one must look again before a change. */
  readonly revision: number
  readonly created_at: number
  readonly updated_at: number
}

export interface ChangeOptions {
  /** The change is refused unless the edge has this revision; 0 if there must be none. */
  readonly expectedRevision?: number
  /** Everything but the write. */
  readonly dryRun?: boolean
  readonly managedBy?: string
}

/** `nothing` differs: then nothing is written. */
export interface ChangeResult {
  readonly id: string
  readonly action: 'create' | 'update' | 'delete' | 'nothing'
  readonly changes: readonly Difference[]
  readonly edge: StoredEdgeView | undefined
}

/** Somebody else has changed the edge since it was read. */
export class EdgeConflict extends Error {
  constructor(id: string, options?: ErrorOptions) {
    super(`${id} has been changed by somebody else meanwhile; look at it again, and repeat the command`, options)
    this.name = 'EdgeConflict'
  }
}

export class EdgeDesk {
  readonly #init: EdgeDeskInit
  readonly #buckets: EdgeBuckets
  readonly #audit: AuditLog
  readonly #now: () => number

  constructor(init: EdgeDeskInit) {
    this.#init = init
    this.#buckets = edgeBuckets(init.store)
    this.#audit = new AuditLog(init.store)
    this.#now = init.now ?? Date.now
  }

  /** By id. @throws StoreUnavailable */
  async list(): Promise<StoredEdgeView[]> {
    const all: StoredEdgeView[] = []
    for (let after: string | undefined; ;) {
      const page = await this.#buckets.edges.page({ limit: PAGE_ROWS, ...(after !== undefined && { after }) })
      all.push(...page.entries.map((entry) => viewOf(entry.key, entry)))
      if (page.next === undefined) return all
      after = page.next
    }
  }

  async get(id: string): Promise<StoredEdgeView | undefined> {
    const entry = await this.#buckets.edges.get(id)
    return entry && viewOf(id, entry)
  }

  /** The kept versions of an edge, oldest first, without the current one. */
  async history(id: string): Promise<StoredEdgeView[]> {
    const { entries } = await this.#buckets.history.page({ after: `${id}/`, limit: HISTORY_MAX + 1 })
    return entries.filter(({ key }) => key.startsWith(`${id}/`)).map((entry) => viewOf(id, entry))
  }

  /** An id that no edge has. */
  newId(): string {
    return `edg_${randomBase62(ID_CHARS)}`
  }

  /**
   * Makes an edge, or replaces its document.
   * @param written as in relay.yml, with marks for secrets that stay
   * @throws ConfigError with every problem; EdgeConflict; StoreUnavailable
   */
  async put(written: EdgeSpec, options: ChangeOptions = {}): Promise<ChangeResult> {
    const id = this.#idOf(written)
    const before = await this.#read(id, options)
    const boxes = new SecretBoxes(this.#init.keys, id)
    const current = edgeInCurrentForm(written, KINDS)
    const sealed = sealSecrets(current.edge, { kinds: KINDS, boxes, before: before?.value.secrets ?? [] })
    const spec = sealed.spec as EdgeSpec // a copy of an object
    const read = readStoredEdge(id, { spec, secrets: sealed.secrets }, this.#readWith())
    const problems = [...current.problems, ...sealed.problems]
    if ('problems' in read) problems.push(...read.problems)
    if (problems.length > 0) throw new ConfigError(problems.map((problem) => located(id, problem)))
    await this.#checkHosts(id, hostsIn(spec))
    const managedBy = options.managedBy ?? before?.value.managed_by
    return this.#write(id, before, options, {
      spec,
      secrets: sealed.secrets,
      ...(before?.value.disabled && { disabled: true }),
      ...(managedBy !== undefined && { managed_by: managedBy }),
    })
  }

  /** Closes an edge for visitors, or opens it again; its document and its sessions stay. */
  async setDisabled(id: string, disabled: boolean, options: ChangeOptions = {}): Promise<ChangeResult> {
    const before = await this.#existing(id, options)
    const { spec, secrets, managed_by } = before.value
    return this.#write(id, before, options, {
      spec,
      secrets,
      ...(disabled && { disabled: true }),
      ...(managed_by !== undefined && { managed_by }),
    })
  }

  /** Brings back a kept version, as a new one. @throws ConfigError if it is not kept, or not valid any more */
  async restore(id: string, version: number, options: ChangeOptions = {}): Promise<ChangeResult> {
    const kept = await this.#buckets.history.get(historyKey(id, version))
    if (!kept) {
      throw new ConfigError([
        { path: `${id} version ${version}`, message: `is not kept; see: relay edge history ${id}` },
      ])
    }
    const before = await this.#read(id, options)
    const { spec, secrets, disabled, managed_by } = kept.value
    const read = readStoredEdge(id, kept.value, this.#readWith())
    if ('problems' in read) throw new ConfigError(read.problems.map((problem) => located(id, problem)))
    await this.#checkHosts(id, hostsIn(spec))
    return this.#write(id, before, options, {
      spec,
      secrets,
      ...(disabled && { disabled }),
      ...(managed_by !== undefined && { managed_by }),
    })
  }

  /** The history stays, so that `restore` can bring it back. */
  async remove(id: string, options: ChangeOptions = {}): Promise<ChangeResult> {
    return this.#write(id, await this.#existing(id, options), options, undefined)
  }

  #readWith(): Parameters<typeof readStoredEdge>[2] {
    const { keys, config } = this.#init
    return { keys, place: () => storedEdgesPlace(config) }
  }

  #idOf({ id }: EdgeSpec): string {
    if (typeof id !== 'string')
      throw new ConfigError([{ path: 'id', message: 'is missing; give the edge one, for example edg_docs' }])
    if (!this.#isOfFile(id)) return id
    throw new ConfigError([
      { path: id, message: 'is an edge of relay.yml; change it there, or give this one another id' },
    ])
  }

  #isOfFile(id: string): boolean {
    return this.#init.config.edges.some((edge) => edge.id === id)
  }

  async #existing(id: string, options: ChangeOptions): Promise<Entry<StoredEdge>> {
    const entry = await this.#read(id, options)
    if (entry) return entry
    const message = this.#isOfFile(id)
      ? 'is an edge of relay.yml; change it there'
      : 'there is no such edge; see: relay edge list'
    throw new ConfigError([{ path: id, message }])
  }

  async #read(id: string, { expectedRevision }: ChangeOptions): Promise<Entry<StoredEdge> | undefined> {
    const entry = await this.#buckets.edges.get(id)
    if (expectedRevision !== undefined && (entry?.revision ?? 0) !== expectedRevision) throw new EdgeConflict(id)
    return entry
  }

  async #checkHosts(id: string, hosts: readonly string[]): Promise<void> {
    const problems: FoundProblem[] = []
    const owners = new Map(
      this.#init.config.edges.flatMap((edge) => edge.hosts.map((host) => [host, edge.id] as const)),
    )
    for (const [index, host] of hosts.entries()) {
      const path = ['hosts', index]
      const ofFile = owners.get(host)
      if (ofFile !== undefined) problems.push({ path, message: `${host} belongs to ${ofFile} of relay.yml` })
      const holder = await this.#buckets.hosts.get(host)
      if (holder && holder.value.edge !== id)
        problems.push({
          path,
          message: `${host} already leads to ${holder.value.edge}; a host can lead to one edge only`,
        })
    }
    if (problems.length > 0) throw new ConfigError(problems.map((problem) => located(id, problem)))
  }

  async #write(
    id: string,
    before: Entry<StoredEdge> | undefined,
    { dryRun = false }: ChangeOptions,
    next: Pick<StoredEdge, 'spec' | 'secrets' | 'disabled' | 'managed_by'> | undefined,
  ): Promise<ChangeResult> {
    const changes = differences(shownOf(before?.value), shownOf(next))
    const action = !next ? 'delete' : !before ? 'create' : changes.length === 0 ? 'nothing' : 'update'
    const view = before && viewOf(id, before)
    if (action === 'nothing') return { id, action, changes, edge: view }
    const time = this.#now()
    const history = await this.history(id)
    const version = (before?.value.version ?? history.at(-1)?.version ?? 0) + 1
    const row = next && { ...next, version, created_at: before?.value.created_at ?? time, updated_at: time }
    const result = (revision: number): ChangeResult => ({
      id,
      action,
      changes,
      edge: row && viewOf(id, { value: row, revision }),
    })
    if (dryRun) return result(before?.revision ?? 0)
    const { edges } = this.#buckets
    const expectedRevision = before?.revision ?? 0
    const writes: Write[] = [
      row ? edges.putting(id, row, { expectedRevision }) : edges.deleting(id, { expectedRevision }),
      ...(await this.#hostWrites(id, before?.value, next)),
      ...(before ? [this.#buckets.history.putting(historyKey(id, before.value.version), before.value)] : []),
      ...history
        .slice(0, Math.max(0, history.length + 1 - HISTORY_MAX))
        .map((old) => this.#buckets.history.deleting(historyKey(id, old.version))),
      this.#audit.adding({
        time,
        ...this.#init.author,
        action: `edge.${action}`,
        target: { kind: 'edge', id, ...nameOf(next?.spec ?? before?.value.spec) },
        version,
        changes,
      }),
    ]
    try {
      const [revision = 0] = await this.#init.store.commit(writes)
      return result(revision)
    } catch (error) {
      if (error instanceof StoreConflict) throw new EdgeConflict(id, { cause: error })
      throw error
    }
  }

  /** A row for each host, so that of two edges that want a host at the same time one gets it. */
  async #hostWrites(
    id: string,
    before: Pick<StoredEdge, 'spec'> | undefined,
    next: Pick<StoredEdge, 'spec'> | undefined,
  ): Promise<Write[]> {
    const { hosts } = this.#buckets
    const [old, wanted] = [before, next].map((each) => new Set(each ? hostsIn(each.spec) : []))
    const all = [...new Set([...(old ?? []), ...(wanted ?? [])])]
    const writes = await Promise.all(
      all.map(async (host): Promise<Write[]> => {
        const holder = await hosts.get(host)
        const isOurs = holder?.value.edge === id
        if (!wanted?.has(host)) return isOurs ? [hosts.deleting(host, { expectedRevision: holder.revision })] : []
        return isOurs ? [] : [hosts.putting(host, { edge: id }, { expectedRevision: holder?.revision ?? 0 })]
      }),
    )
    return writes.flat()
  }
}

/** What a change of an edge is compared by. */
function shownOf(row: Pick<StoredEdge, 'spec' | 'disabled' | 'managed_by'> | undefined): unknown {
  if (!row) return {}
  const { spec, disabled, managed_by } = row
  return { ...spec, ...(disabled && { disabled }), ...(managed_by !== undefined && { managed_by }) }
}

function viewOf(id: string, { value, revision }: Entry<StoredEdge>): StoredEdgeView {
  const { spec, version, disabled, managed_by, created_at, updated_at } = value
  return {
    id,
    revision,
    version,
    ...(disabled && { disabled }),
    ...(managed_by !== undefined && { managed_by }),
    created_at,
    updated_at,
    spec,
  }
}

function nameOf(spec: EdgeSpec | undefined): { name?: string } {
  const description = spec?.['description']
  return typeof description === 'string' && description !== '' ? { name: description } : {}
}

function located(id: string, { path, message }: FoundProblem): { path: string; message: string } {
  return { path: [id, formatPath(path)].filter(Boolean).join(' '), message }
}
