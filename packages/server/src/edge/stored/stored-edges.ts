// Follows the edges of the store, and keeps them in the book. A change is built aside and put in one turn; what is equal
// stays the same object. An edge that cannot be read or built keeps its hosts and serves nobody, until it can be. An edge
// whose id relay.yml has as well waits until relay.yml lets go of it.

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { formatPath } from '@sallyport/protocol/yaml-file'

import { ConfigError } from '../../errors.ts'
import type { Keys } from '../../keys.ts'
import type { Logger } from '../../log.ts'
import { cookieDomainsOf } from '../../model/cookie-domains.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { readEdges } from '../../model/read-edges.ts'
import type { EdgesPlace } from '../../model/read-edges.ts'
import { KINDS } from '../../policy/kinds.ts'
import { loadLanguage } from '../../policy/language.ts'
import type { Change, Store } from '../../store/store.ts'
import type { ClosedEdge } from '../closed-edge.ts'
import type { Edge } from '../edge.ts'
import type { EdgeBook } from '../edge-book.ts'
import { isSameValue } from '../same-value.ts'
import { edgeBuckets, hostsIn, type StoredEdge, type StoredEdgeInUse, type StoredHost } from './stored-edge.ts'
import { openSecrets, SecretBoxes } from './stored-secrets.ts'

export interface StoredEdgesInit {
  readonly store: Store
  readonly keys: Keys
  readonly book: EdgeBook
  readonly place: () => Omit<EdgesPlace, 'agent' | 'isStored'>
  /** @throws ConfigError if the edge cannot be built; everything is released then */
  readonly build: (config: EdgeConfig) => Edge
  readonly buildClosed: (edge: ClosedEdge) => Edge
  readonly log: Logger
}

/** A stored edge, as this process has it. */
interface Held {
  /** Undefined if it cannot be read. */
  row: StoredEdge | undefined
  revision: number
  /** What was built; undefined while relay.yml has its id. */
  edge: Edge | undefined
  /** Of `edge`, if it serves. */
  config: EdgeConfig | undefined
  problems: readonly FoundProblem[]
}

export class StoredEdges {
  readonly #init: StoredEdgesInit
  readonly #held = new Map<string, Held>()
  /** The hosts of each edge, by the rows of hosts: known even if the edge cannot be read. */
  readonly #hosts = new Map<string, Set<string>>()
  readonly #hostOwners = new Map<string, string>()
  readonly #stop = new AbortController()
  /** The changes that are not in use yet, by id. */
  readonly #pending = new Map<string, Change<StoredEdge>>()
  #applying: Promise<void> | undefined

  /** Resolves when every stored edge is in the book. @throws StoreUnavailable */
  static async open(init: StoredEdgesInit): Promise<StoredEdges> {
    const stored = new StoredEdges(init)
    const { edges, hosts } = edgeBuckets(init.store)
    const { signal } = stored.#stop
    await hosts.watch((change) => stored.#followHost(change), { signal })
    await edges.watch((change) => stored.#follow(change), { signal })
    await stored.#applying
    return stored
  }

  private constructor(init: StoredEdgesInit) {
    this.#init = init
  }

  /** The state of a stored edge, in this process. */
  inUse(id: string): StoredEdgeInUse {
    const held = this.#held.get(id)
    if (!held) return { state: 'absent', problems: [] }
    const { edge, revision, problems } = held
    const state = edge ? (edge.closed ?? 'serving') : 'shadowed'
    return { state, revision, problems: problems.map(sentenceOf) }
  }

  /** The domains under which stored edges share sessions. */
  cookieDomains(): ReadonlySet<string> {
    return cookieDomainsOf([...this.#held.values()].flatMap(({ config }) => config ?? []))
  }

  /**
   * relay.yml has changed: puts the edges of which it has let go, and takes out those of which it has the id now. Also reads
   * all others again, because their texts may be secrets of relay.yml; an edge that is the same stays.
   */
  settle(): void {
    for (const [id, held] of this.#held) {
      if (!held.edge || !held.row?.disabled || this.#init.book.has('file', id)) this.#use(id, held)
    }
  }

  /** Stops following the store. The book closes the edges. */
  close(): void {
    this.#stop.abort()
  }

  #followHost({ key: host, value }: Change<StoredHost>): void {
    const before = this.#hostOwners.get(host)
    if (before !== undefined) this.#hosts.get(before)?.delete(host)
    this.#hostOwners.delete(host)
    if (!value) return
    this.#hostOwners.set(host, value.edge)
    const ofEdge = this.#hosts.get(value.edge) ?? new Set()
    this.#hosts.set(value.edge, ofEdge.add(host))
  }

  /** The changes of one commit come in one turn, and are used together in another. */
  #follow(change: Change<StoredEdge>): void {
    this.#pending.set(change.key, change)
    this.#applying ??= this.#apply()
  }

  async #apply(): Promise<void> {
    await loadLanguage() // at once after the first time
    this.#applying = undefined
    const changes = [...this.#pending]
    this.#pending.clear()
    for (const [id, change] of changes) {
      if (this.#stop.signal.aborted) return
      if (!change.value && !change.unreadable) this.#drop(id)
      else this.#take(id, change)
    }
  }

  #take(id: string, { value: row, revision }: Change<StoredEdge>): void {
    const before = this.#held.get(id)
    const held: Held = { row, revision, edge: before?.edge, config: before?.config, problems: [] }
    this.#held.set(id, held)
    this.#use(id, held)
  }

  #drop(id: string): void {
    const held = this.#held.get(id)
    this.#held.delete(id)
    if (held?.edge) this.#init.book.remove('store', held.edge)
  }

  /** Brings the edge of a row into the book, or out of it. */
  #use(id: string, held: Held): void {
    const { book, log } = this.#init
    if (book.has('file', id)) {
      if (held.edge) book.remove('store', held.edge)
      held.edge = held.config = undefined
      log.warn({ edgeId: id }, 'an edge of the store has the id of one in relay.yml, which takes precedence')
      return
    }
    const { edge, config, problems } = this.#build(id, held)
    if (problems.length > 0) {
      const sentences = problems.map(sentenceOf)
      log.error({ edgeId: id, problems: sentences }, 'an edge of the store cannot be used, so nobody can visit it')
    }
    Object.assign(held, { edge, config, problems } satisfies Partial<Held>)
    book.put('store', edge)
  }

  #build(id: string, held: Held): { edge: Edge; config: EdgeConfig | undefined; problems: readonly FoundProblem[] } {
    const { build, buildClosed } = this.#init
    const { row } = held
    const closed = (because: ClosedEdge['because'], problems: readonly FoundProblem[] = []) => {
      const hosts = new Set([...(this.#hosts.get(id) ?? []), ...(row ? hostsIn(row.spec) : [])])
      return { edge: buildClosed({ id, hosts: [...hosts], because }), config: undefined, problems }
    }
    if (!row) return closed('broken', [UNREADABLE])
    if (row.disabled) return closed('disabled')
    const read = readStoredEdge(id, row, this.#init)
    if ('problems' in read) return closed('broken', read.problems)
    const { config } = read
    if (held.edge && held.config && isSameValue(held.config, config)) return { edge: held.edge, config, problems: [] }
    try {
      return { edge: build(config), config, problems: [] }
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return closed(
        'broken',
        error.problems.map(({ path, message }) => ({ path: [path], message })),
      )
    }
  }
}

const UNREADABLE: FoundProblem = {
  path: [],
  message: 'the stored edge cannot be read; a newer version of the relay may have written it',
}

function sentenceOf({ path, message }: FoundProblem): string {
  return [formatPath(path), message].filter(Boolean).join(': ')
}

/**
 * Reads the document of a row, as relay.yml's edges are read.
 * @returns problems with paths from the edge
 */
export function readStoredEdge(
  id: string,
  { spec, secrets }: Pick<StoredEdge, 'spec' | 'secrets'>,
  { keys, place }: Pick<StoredEdgesInit, 'keys' | 'place'>,
): { config: EdgeConfig } | { problems: readonly FoundProblem[] } {
  const { written, problems } = openSecrets(spec, { kinds: KINDS, boxes: new SecretBoxes(keys, id), secrets })
  if (problems.length > 0) return { problems }
  const read = readEdges([written], { ...place(), isStored: true })
  if (read.problems) return { problems: read.problems.map(({ path, message }) => ({ path: path.slice(2), message })) }
  const [config] = read.edges
  return config ? { config } : { problems: [UNREADABLE] }
}
