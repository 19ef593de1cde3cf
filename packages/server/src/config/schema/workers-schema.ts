// `workers:` of relay.yml: the number of processes that serve. Pure: no I/O, no clock.

import { z } from 'zod'

/** Each has a link to every other one. */
export const WORKERS_MAX = 64
export const WORKERS_PROBLEM = `must be auto or a number from 1 to ${WORKERS_MAX}`

export const workersSchema = z.union([z.literal('auto'), z.int().min(1).max(WORKERS_MAX)], { error: WORKERS_PROBLEM })
