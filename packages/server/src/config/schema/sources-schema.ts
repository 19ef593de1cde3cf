// What the expressions of policies may read beside an exchange: `region`, `secrets`. Pure: no I/O, no clock.

import { z } from 'zod'

import type { Secret } from '@sallyport/protocol'

import { secretText, text } from '../../values/value-schemas.ts'

const NAME_MAX_CHARS = 128

export const regionSchema = text()
  .max(64, 'has more than 64 characters')
  .describe('Where this relay is, for `conn.server_region` in expressions. Any name.')
  .meta({ examples: ['eu'] })

/** Names are those of the operator; a `Map` finds none but these. */
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
