// The data that expressions of policies may read besides an exchange: `region`, `secrets`, `geo`, `ip_lists`; and
// `ip_policies` for one action. Pure: no I/O, no clock.

import { z } from 'zod'

import type { Secret } from '@sallyport/protocol'

import type { IpPolicy } from '../../policy/engine/tree/demands.ts'
import { cidr, filledList, secretText, text } from '../../values/value-schemas.ts'

const NAME_MAX_CHARS = 128

export const regionSchema = text()
  .max(64, 'has more than 64 characters')
  .describe('Where this relay is, for `conn.server_region` in expressions. Any name.')
  .meta({ examples: ['eu'] })

/** A `Map`: a name in a policy, such as `constructor`, finds only the operator's own. */
export type Vaults = ReadonlyMap<string, ReadonlyMap<string, Secret>>

const name = text().max(NAME_MAX_CHARS, `has more than ${NAME_MAX_CHARS} characters`)

export const secretsSchema = z
  .record(name, z.record(name, secretText()))
  .transform(
    (vaults): Vaults =>
      new Map(Object.entries(vaults).map(([vault, secrets]) => [vault, new Map(Object.entries(secrets))])),
  )
  .describe(
    "Secrets for the expressions of this file, by vault and name: `secrets.get('vault', 'name')`. Best written as `\"${NAME}\"`. Policies of agents do not see them; they bring their own from agent.yml.",
  )
  .meta({ examples: ['{ shop: { password: "${SHOP_PASSWORD}" } }'] })

export const geoSchema = z
  .strictObject({
    city_file: text()
      .exactOptional()
      .describe(
        'The places of addresses, for `conn.geo` and `conn.client_ip.geo`: GeoLite2-City, DB-IP City lite or their like.',
      )
      .meta({ examples: ['/var/lib/GeoIP/GeoLite2-City.mmdb'] }),
    asn_file: text()
      .exactOptional()
      .describe('The networks of addresses, for `conn.client_ip.as`: GeoLite2-ASN, DB-IP ASN lite or their like.')
      .meta({ examples: ['/var/lib/GeoIP/GeoLite2-ASN.mmdb'] }),
  })
  .describe(
    'Databases of addresses that you bring, in the format MMDB. Read at the start and again when they change, by each process; a file takes its size in memory. Relative paths start at the folder of this file.',
  )

const LISTS_MAX = 64

/** Absolute paths by the names of lists, once they are complete. */
export type ListFiles = ReadonlyMap<string, string>

export const ipListsSchema = z
  .record(name, text())
  .refine((lists) => Object.keys(lists).length <= LISTS_MAX, `has more than ${LISTS_MAX} lists`)
  .transform((lists): ListFiles => new Map(Object.entries(lists)))
  .describe(
    'Lists of addresses for expressions, by name: files with one address range in each line, and comments after `#` or `;`. `conn.client_ip.categories` has the names of the lists that contain an address; `is_on_blocklist` is the list `blocklist`, `is_tor_node` the list `tor`. Read again when they change.',
  )
  .meta({ examples: ['{ blocklist: /var/lib/sallyport/drop.txt }'] })

const ranges = filledList(cidr(), 'would mean no range; remove it or add an address range').exactOptional()

export const ipPoliciesSchema = z
  .record(
    text().regex(/^ipp_\w{1,64}$/, 'must be ipp_ and then letters, digits or _'),
    z
      .strictObject({
        allow: ranges.describe('Address ranges that may pass.'),
        deny: ranges.describe('Address ranges that may not pass.'),
      })
      .refine(
        ({ allow, deny }) => allow !== undefined || deny !== undefined,
        'has no effect; add allow or deny with address ranges',
      ),
  )
  .transform((policies): ReadonlyMap<string, IpPolicy> => new Map(Object.entries(policies)))
  .describe(
    'Address ranges by an id, for `ip_policies` of [`restrict-ips`](#restrict-ips): what ngrok keeps in its dashboard. Policies of agents cannot use them.',
  )
  .meta({ examples: ['{ ipp_office: { allow: [192.0.2.0/24] } }'] })
