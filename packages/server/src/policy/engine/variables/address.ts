// The place and the network of an address, from the operator's files. ngrok docs: "IP Intelligence". A variable is
// refused when the policy is loaded if its file is missing. A fact that the file does not have is absent: `has()` is false,
// and an expression that reads it refuses the exchange. Pure: no I/O, no clock.

import { isIP } from 'node:net'

import type { CityFacts, Lookups, Place } from '../facts.ts'
import { defineRecord, part, value } from './record.ts'

export interface AddressFacts {
  readonly address: string
  readonly lookups: Lookups
}

/** The lists that have variables of their own: `conn.client_ip.is_on_blocklist`, `.is_tor_node`. */
const BLOCKLIST = 'blocklist'
const TOR = 'tor'

const PLACE_FIELDS = {
  city: value<Place>('string', 'the name of the city, in English', ({ city }) => city),
  continent: value<Place>('string', 'the name of the continent, in English', ({ continent }) => continent),
  country: value<Place>('string', 'the name of the country, in English', ({ country }) => country),
  country_code: value<Place>('string', 'the code of ISO 3166-1, for example `DE`', ({ countryCode }) => countryCode),
  is_eu: value<Place>('bool', 'whether the place is in the European Union', ({ isEu }) => isEu),
  metro_code: value<Place>(
    'string',
    'the code of the metropolitan area, only in the United States',
    ({ metroCode }) => metroCode,
  ),
  subdivision: value<Place>('string', 'the state or county, in English', ({ subdivision }) => subdivision),
  timezone: value<Place>('string', 'the time zone, for example `Europe/Berlin`', ({ timeZone }) => timeZone),
}
const COORDINATE_FIELDS = {
  latitude: value<Place>('string', 'in degrees, as a text; `double(…)` makes it a number', ({ latitude }) =>
    numberText(latitude),
  ),
  longitude: value<Place>('string', 'in degrees, as a text', ({ longitude }) => numberText(longitude)),
  radius: value<Place>('string', 'how far from there the visitor may be, in kilometers, as a text', ({ radiusKm }) =>
    numberText(radiusKm),
  ),
}

const LOCATION = defineRecord<Place>('sallyport.Location', {
  ...PLACE_FIELDS,
  ...COORDINATE_FIELDS,
  postal_code: value('string', 'the postal code, for example `10115`', ({ postalCode }) => postalCode),
})
const REGISTERED_LOCATION = defineRecord<Place>('sallyport.RegisteredLocation', PLACE_FIELDS)

const GEO_OF_ADDRESS = defineRecord<AddressFacts>('sallyport.GeoOfAddress', {
  location: part(LOCATION, 'where it is used', (facts) => cityOf(facts).location),
  registered_location: part(REGISTERED_LOCATION, 'where it is registered', (facts) => cityOf(facts).registered ?? {}),
})

const AUTONOMOUS_SYSTEM = defineRecord<Partial<Network>>('sallyport.AutonomousSystem', {
  number: value('int', 'the number of the network (AS)', ({ number }) =>
    number === undefined ? undefined : BigInt(number),
  ),
  organization: value('string', 'the owner of the network', ({ organization }) => organization),
})

/** Behind `conn.client_ip` and `conn.server_ip`. */
export const ADDRESS = defineRecord<AddressFacts>('sallyport.Address', {
  as: part(AUTONOMOUS_SYSTEM, 'the network', asOf, { needs: 'asn_file', units: 300 }),
  geo: part(GEO_OF_ADDRESS, 'where it is', (facts) => facts, { needs: 'city_file', units: 300 }),
  categories: value('list<string>', 'the names of your lists that contain the address', listsOf, {
    needs: 'ip_lists',
    units: 300,
  }),
  is_on_blocklist: value(
    'bool',
    'whether your list `blocklist` contains the address',
    (facts) => isOn(BLOCKLIST, facts),
    {
      needs: 'blocklist',
      units: 300,
    },
  ),
  is_tor_node: value('bool', 'whether your list `tor` contains the address', (facts) => isOn(TOR, facts), {
    needs: 'tor',
    units: 300,
  }),
})

/** `conn.geo`: the older, shorter way to the client's place. */
export const GEO = defineRecord<AddressFacts>('sallyport.Geo', {
  city: value('string', 'the name of the city, in English', (facts) => cityOf(facts).location.city),
  country: value('string', 'the name of the country, in English', (facts) => cityOf(facts).location.country),
  country_code: value(
    'string',
    'the code of ISO 3166-1, for example `DE`',
    (facts) => cityOf(facts).location.countryCode ?? '',
  ),
  latitude: value('string', 'in degrees, as a text; `double(…)` makes it a number', (facts) =>
    numberText(cityOf(facts).location.latitude),
  ),
  longitude: value('string', 'in degrees, as a text', (facts) => numberText(cityOf(facts).location.longitude)),
  radius: value('string', 'how far from there the visitor may be, in kilometers, as a text', (facts) =>
    numberText(cityOf(facts).location.radiusKm),
  ),
  subdivision: value('string', 'the state or county, in English', (facts) => cityOf(facts).location.subdivision),
})

function cityOf({ address, lookups }: AddressFacts): CityFacts {
  return lookups.city?.(address) ?? NOWHERE
}

type Network = NonNullable<ReturnType<NonNullable<Lookups['autonomousSystem']>>>

function asOf({ address, lookups }: AddressFacts): Partial<Network> {
  return lookups.autonomousSystem?.(address) ?? {}
}

/** Nobody knows the lists that an unreadable address would be on. */
function listsOf({ address, lookups }: AddressFacts): string[] | undefined {
  const names = isIP(address) === 0 ? undefined : lookups.lists?.(address)
  return names && [...names]
}

function isOn(list: string, { address, lookups }: AddressFacts): boolean | undefined {
  return isIP(address) === 0 ? undefined : lookups.isOn?.(list, address)
}

function numberText(number: number | undefined): string | undefined {
  return number === undefined ? undefined : String(number)
}

const NOWHERE: CityFacts = { location: {} }
