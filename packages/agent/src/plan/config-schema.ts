// The schema of agent.yml. Pure: no I/O, no clock.

import { SECRET_NAME_MAX_CHARS } from '@sallyport/protocol'
import { z } from 'zod'

import { CONNECTIONS_MAX, authtokenProblem } from './agent-plan.ts'
import { LOG_FORMATS, LOG_LEVELS } from '../log-words.ts'
import { parseProxyUrl } from './proxy.ts'
import { parseRelayAddress } from './relay-address.ts'

const log = z.strictObject({
  level: z.enum(LOG_LEVELS).optional(),
  format: z.enum(LOG_FORMATS).optional(),
})

const secretName = z.string().min(1).max(SECRET_NAME_MAX_CHARS)

const CONNECTIONS_HINT = `write a number from 1 to ${CONNECTIONS_MAX}`

export const configSchema = z.strictObject(
  {
    version: z.literal(1).optional(),
    server: z
      .string()
      .refine((text) => !('problem' in parseRelayAddress(text)), { error: 'write it like https://relay.example.com' })
      .optional(),
    authtoken: z
      .string()
      .refine((text) => authtokenProblem(text) === undefined, { error: 'this is not an authtoken' })
      .optional(),
    ca: z.string().min(1).optional(),
    proxy_url: z
      .string()
      .refine((text) => !('problem' in parseProxyUrl(text)), { error: 'write it like http://proxy.example.com:3128' })
      .optional(),
    connections: z
      .int({ error: CONNECTIONS_HINT })
      .min(1, { error: CONNECTIONS_HINT })
      .max(CONNECTIONS_MAX, { error: CONNECTIONS_HINT })
      .optional(),
    log: log.optional(),
    secrets: z.record(secretName, z.record(secretName, z.string().min(1))).optional(),
  },
  {
    error: (issue) =>
      issue.code === 'invalid_type' ? 'write keys and values, like server: https://relay.example.com' : undefined,
  },
)

/** The schema of agent.yml. */
export type ConfigFile = z.infer<typeof configSchema>
