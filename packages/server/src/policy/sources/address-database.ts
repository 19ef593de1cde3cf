// Reads databases of addresses (MMDB files in the forms of GeoLite2 and DB-IP lite): a city file has the place of an
// address, an ASN file its network. The reader is loaded with the first file.

import { isIP, isIPv6 } from 'node:net'

import type { AsnResponse, CityResponse, Reader } from 'mmdb-lib'

import { plainAddress } from '../../exchange/visitor/client-ip.ts'
import type { CityFacts, Lookups, Place } from '../engine/facts.ts'

const REMEMBERED_MAX = 1000

export type CityOf = NonNullable<Lookups['city']>
export type NetworkOf = NonNullable<Lookups['autonomousSystem']>

/** @throws Error with the end of a sentence if it is no such file */
export async function readCityFile(bytes: Buffer): Promise<CityOf> {
  const reader = await readerOf<CityResponse>(bytes, /City|Country|Enterprise/i, 'places')
  return lookUp(reader, cityFrom)
}

/** @throws Error with the end of a sentence if it is no such file */
export async function readAsnFile(bytes: Buffer): Promise<NetworkOf> {
  const reader = await readerOf<AsnResponse>(bytes, /ASN|ISP/i, 'networks')
  return lookUp(reader, ({ autonomous_system_number: number, autonomous_system_organization: organization }) =>
    number === undefined ? undefined : { number, ...(organization !== undefined && { organization }) },
  )
}

async function readerOf<T extends CityResponse | AsnResponse>(
  bytes: Buffer,
  types: RegExp,
  content: string,
): Promise<Reader<T>> {
  const { Reader: OfLibrary } = await import('mmdb-lib')
  let reader: Reader<T>
  try {
    reader = new OfLibrary<T>(bytes)
    reader.get('192.0.2.1') // walks the tree once
  } catch (cause) {
    throw new Error('is not an MMDB file, or is incomplete', { cause })
  }
  const { databaseType } = reader.metadata
  if (types.test(databaseType)) return reader
  throw new Error(`is a database of the type ${JSON.stringify(databaseType)}, not of ${content}`)
}

/** Remembers the answers for the last addresses: expressions read several fields of one, and visitors send several requests. */
function lookUp<T extends CityResponse | AsnResponse, Facts>(
  reader: Reader<T>,
  factsFrom: (response: T) => Facts | undefined,
): (address: string) => Facts | undefined {
  const remembered = new Map<string, Facts | undefined>()
  return (address) => {
    if (remembered.has(address)) return remembered.get(address)
    const response = responseFor(reader, plainAddress(address))
    const facts = response === null ? undefined : factsFrom(response)
    const [oldest] = remembered.keys()
    if (remembered.size >= REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest)
    remembered.set(address, facts)
    return facts
  }
}

/** The library would walk a tree of IPv4 with the bits of an IPv6 address. */
function responseFor<T extends CityResponse | AsnResponse>(reader: Reader<T>, address: string): T | null {
  if (isIP(address) === 0 || (isIPv6(address) && reader.metadata.ipVersion === 4)) return null
  return reader.get(address)
}

function cityFrom(response: CityResponse): CityFacts {
  const { registered_country: registered } = response
  return { location: placeFrom(response), ...(registered && { registered: countryFrom(registered) }) }
}

function placeFrom({ city, continent, country, location, postal, subdivisions }: CityResponse): Place {
  return present({
    ...(country && countryFrom(country)),
    city: city?.names?.en,
    continent: continent?.names?.en,
    latitude: location?.latitude,
    longitude: location?.longitude,
    metroCode: location?.metro_code === undefined ? undefined : String(location.metro_code),
    postalCode: postal?.code,
    radiusKm: location?.accuracy_radius,
    subdivision: subdivisions?.[0]?.names?.en,
    timeZone: location?.time_zone,
  })
}

/** The file has `is_in_european_union` only if it is true. */
function countryFrom({
  names,
  iso_code,
  is_in_european_union: isEu = false,
}: NonNullable<CityResponse['country']>): Place {
  return present({ country: names?.en, countryCode: iso_code, isEu })
}

function present(fields: { readonly [Field in keyof Place]: Place[Field] | undefined }): Place {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Place // what is left
}
