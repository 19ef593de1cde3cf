// The keys of relay.yml for the relay's own pages, for all of them or for those of an edge. Pure: no I/O, no clock.

import { z } from 'zod'

import { contactProblem } from '../../values/contact-problem.ts'
import { edgeProblem, reporting, text } from '../../values/value-schemas.ts'

const TITLE_MAX_CHARS = 60 // one line on a wide screen, two on a phone
const CONTACT_MAX_CHARS = 200
const ACCENT_PROBLEM = 'must be a colour in quotes, for example "#0b5a4a"; without quotes YAML takes it for a comment'

export const pageDetailsSchema = z.enum(['local', 'full', 'none'])

export const pagesSchema = z.strictObject({
  title: text()
    .max(TITLE_MAX_CHARS)
    .superRefine(reporting(edgeProblem))
    .exactOptional()
    .describe('The name of the site, shown at the top, beside the host.')
    .meta({ examples: ['Example Ltd'] }),
  logo_file: text()
    .exactOptional()
    .describe(
      'A PNG, JPEG, GIF or WebP of 16 KiB at most, which is embedded in each page. Shown 32 pixels high, on light and on dark backgrounds. Read at the start.',
    )
    .meta({ examples: ['/etc/sallyport/logo.png'] }),
  accent: z
    .string(ACCENT_PROBLEM)
    .regex(/^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i, ACCENT_PROBLEM)
    .toLowerCase()
    .exactOptional()
    .describe(
      'The colour of buttons and links, as `"#rrggbb"`. If it would be hard to read on the light or the dark page, it is made darker or lighter there.',
    )
    .meta({ examples: ['"#0b5a4a"'] }),
  contact: text()
    .max(CONTACT_MAX_CHARS)
    .superRefine(reporting(edgeProblem))
    .superRefine(reporting(contactProblem))
    .exactOptional()
    .describe('The contact for visitors: `mailto:…` or `https://…`, which becomes a link, or plain words.')
    .meta({ examples: ['mailto:help@example.com'] }),
})

/** `logo_file` is an absolute path. */
export type PagesConfig = z.output<typeof pagesSchema>

/** The people who see labels, commands and counts. */
export type PageDetails = z.output<typeof pageDetailsSchema>
