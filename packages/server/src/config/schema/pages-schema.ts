// What relay.yml says of the relay's own pages, for all of them or for those of an edge. Pure: no I/O, no clock.

import { z } from 'zod'

export const pageDetailsSchema = z.enum(['local', 'full', 'none'])
