// The operator's files that expressions read: databases of addresses (`geo:`) and lists of addresses (`ip_lists:`). Each process of
// a relay reads its own, and those of another configuration when it takes that over.

import type { Config } from '../../config/config.ts'
import { FollowedFile } from '../../config/followed-file.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Lookups } from '../engine/facts.ts'
import { readAsnFile, readCityFile } from './address-database.ts'
import type { CityOf, NetworkOf } from './address-database.ts'
import { readAddressList } from './address-list.ts'
import type { AddressList } from './address-list.ts'

const DATABASE_MAX_BYTES = 1024 * 1024 * 1024 // GeoLite2-City has 60 MiB
const LIST_MAX_BYTES = 64 * 1024 * 1024
const WORDS = { reloaded: 'file reloaded', kept: 'file not reloaded, the old content stays' }

type SourceConfig = Pick<Config, 'geo' | 'ip_lists'>

/** The files of another configuration, which have been read. One of the two must be called. */
export interface NextSources {
  /** They are the files from now on. */
  take(): void
  /** The files of before stay. */
  drop(): void
}

interface OpenFiles {
  readonly city?: FollowedFile<CityOf> | undefined
  readonly asn?: FollowedFile<NetworkOf> | undefined
  readonly lists: ReadonlyMap<string, FollowedFile<AddressList>>
}

export class SourceFiles {
  readonly #log: Logger
  #open: OpenFiles = { lists: new Map() }
  #lookups: Lookups = {}

  private constructor(log: Logger) {
    this.#log = log
  }

  /** @throws ConfigError that names every unusable file */
  static async open(config: SourceConfig, log: Logger): Promise<SourceFiles> {
    const files = new SourceFiles(log)
    const first = await files.readNext(config)
    first.take()
    return files
  }

  /** For policies of the operator. Another object after a change of the configuration. */
  get lookups(): Lookups {
    return this.#lookups
  }

  /**
   * Reads the files of another configuration. A file that is known under the same key stays open. Not to be called again before
   * the result is taken or dropped.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  async readNext({ geo, ip_lists: lists }: SourceConfig): Promise<NextSources> {
    const problems: ConfigProblem[] = []
    const opened: FollowedFile<unknown>[] = []
    const open = async <T>(
      known: FollowedFile<T> | undefined,
      { key, file, ...reading }: Reading<T>,
    ): Promise<FollowedFile<T> | undefined> => {
      if (file === undefined || known?.file === file) return file === undefined ? undefined : known
      try {
        const followed = await FollowedFile.open({ ...reading, file, words: WORDS, fields: { key }, log: this.#log })
        opened.push(followed)
        return followed
      } catch (error) {
        problems.push({ path: key, message: error instanceof Error ? error.message : String(error) })
        return undefined
      }
    }
    const before = this.#open
    const ofDatabases = { maxBytes: DATABASE_MAX_BYTES }
    const [city, asn, ...all] = await Promise.all([
      open(before.city, { ...ofDatabases, key: 'geo.city_file', file: geo.city_file, parse: readCityFile }),
      open(before.asn, { ...ofDatabases, key: 'geo.asn_file', file: geo.asn_file, parse: readAsnFile }),
      ...Array.from(lists, async ([name, file]) => {
        const reading = { maxBytes: LIST_MAX_BYTES, key: `ip_lists.${name}`, file, parse: readAddressList }
        return [name, await open(before.lists.get(name), reading)] as const
      }),
    ])
    const drop = (): void => closeAll(opened)
    if (problems.length > 0) {
      drop()
      throw new ConfigError(problems)
    }
    const next = { city, asn, lists: new Map(all.flatMap(([name, list]) => (list ? [[name, list]] : []))) }
    return { take: () => this.#take(next), drop }
  }

  close(): void {
    closeAll(filesOf(this.#open))
  }

  #take(next: OpenFiles): void {
    const staying = new Set(filesOf(next))
    closeAll(filesOf(this.#open).filter((file) => !staying.has(file)))
    this.#open = next
    this.#lookups = lookupsIn(next)
  }
}

interface Reading<T> {
  readonly key: string
  readonly file: string | undefined
  readonly maxBytes: number
  readonly parse: (bytes: Buffer) => Promise<T>
}

function lookupsIn({ city, asn, lists }: OpenFiles): Lookups {
  return {
    ...(city && { city: (address) => city.value(address) }),
    ...(asn && { autonomousSystem: (address) => asn.value(address) }),
    ...(lists.size > 0 && {
      lists: (address) => [...lists].filter(([, { value: has }]) => has(address)).map(([name]) => name),
      isOn: (name, address) => lists.get(name)?.value(address),
    }),
  }
}

function filesOf({ city, asn, lists }: OpenFiles): FollowedFile<unknown>[] {
  return [city, asn, ...lists.values()].filter((file) => file !== undefined)
}

function closeAll(files: readonly FollowedFile<unknown>[]): void {
  for (const file of files) file.close()
}
