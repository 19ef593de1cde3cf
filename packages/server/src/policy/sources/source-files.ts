// The operator's files that expressions read: databases of addresses (`geo:`) and lists of addresses (`ip_lists:`). Each process of
// a relay reads its own.

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

export class SourceFiles {
  /** For policies of the operator. */
  readonly lookups: Lookups
  readonly #files: readonly FollowedFile<unknown>[]

  private constructor(
    city: FollowedFile<CityOf> | undefined,
    asn: FollowedFile<NetworkOf> | undefined,
    lists: ReadonlyMap<string, FollowedFile<AddressList>>,
  ) {
    this.#files = [city, asn, ...lists.values()].filter((file) => file !== undefined)
    this.lookups = {
      ...(city && { city: (address) => city.value(address) }),
      ...(asn && { autonomousSystem: (address) => asn.value(address) }),
      ...(lists.size > 0 && {
        lists: (address) => [...lists].filter(([, { value: has }]) => has(address)).map(([name]) => name),
        isOn: (name, address) => lists.get(name)?.value(address),
      }),
    }
  }

  /** @throws ConfigError that names every unusable file */
  static async open({ geo, ip_lists: lists }: Pick<Config, 'geo' | 'ip_lists'>, log: Logger): Promise<SourceFiles> {
    const problems: ConfigProblem[] = []
    const opened: FollowedFile<unknown>[] = []
    const open = async <T>(
      key: string,
      file: string | undefined,
      maxBytes: number,
      parse: (bytes: Buffer) => Promise<T>,
    ): Promise<FollowedFile<T> | undefined> => {
      if (file === undefined) return undefined
      try {
        const followed = await FollowedFile.open({ file, maxBytes, parse, words: WORDS, fields: { key }, log })
        opened.push(followed)
        return followed
      } catch (error) {
        problems.push({ path: key, message: error instanceof Error ? error.message : String(error) })
        return undefined
      }
    }
    const [city, asn, ...all] = await Promise.all([
      open('geo.city_file', geo.city_file, DATABASE_MAX_BYTES, readCityFile),
      open('geo.asn_file', geo.asn_file, DATABASE_MAX_BYTES, readAsnFile),
      ...Array.from(lists, async ([name, file]) => {
        return [name, await open(`ip_lists.${name}`, file, LIST_MAX_BYTES, readAddressList)] as const
      }),
    ])
    if (problems.length === 0)
      return new SourceFiles(city, asn, new Map(all.flatMap(([name, list]) => (list ? [[name, list]] : []))))
    for (const file of opened) file.close()
    throw new ConfigError(problems)
  }

  close(): void {
    for (const file of this.#files) file.close()
  }
}
