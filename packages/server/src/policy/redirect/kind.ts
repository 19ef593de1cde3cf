// The kind of `redirect`. Pure: no I/O, no clock.

import { z } from 'zod'

import { headerValues, numberOf, text } from '../../values/value-schemas.ts'
import { siteDataProblems } from '../headers/header-values.ts'
import { defineKind } from '../kind.ts'
import { olderWordsInTo } from '../urls/older-words.ts'
import { patternProblems } from '../urls/pattern-problems.ts'
import { urlWarnings } from '../urls/url-warnings.ts'

const schema = z.strictObject({
  from: text()
    .exactOptional()
    .describe('A regular expression of RE2, which is applied to the whole URL. Without it, the whole URL is replaced.')
    .meta({ examples: ['"/old/(.*)"'] }),
  to: text()
    .describe(
      'The text that replaces every match: `$1` is a group, `$name` the group `(?P<name>…)`. It may contain `${…}`, as `from` may.',
    )
    .meta({ examples: ['/new/$1'] }),
  status_code: z
    .preprocess(numberOf, z.literal([301, 302, 303, 307, 308]))
    .default(302)
    .describe('301 and 308 are permanent, and browsers remember them; 307 and 308 keep method and body.'),
  headers: headerValues({ allowsTemplates: true })
    .default({})
    .describe('Further headers of the answer. Values may contain `${…}`.'),
})

export type RedirectConfig = z.output<typeof schema>

export const redirectKind = defineKind({
  documentation:
    'Sends visitors to another address if `from` matches and the replacement changes the address; otherwise the next action runs. See [Traffic policy](traffic-policy.md#redirect-and-url-rewrite).',
  otherNames: ['redirect-to', 'url-redirect'],
  phases: ['on_http_request'],
  admits: 'everybody',
  takesSecrets: false,
  readsPath: true,
  mayAnswer: true,
  agentMayWrite: ['from', 'to', 'status_code', 'headers'],
  schema,
  templates: ['from', 'to', 'headers'],
  olderWords: olderWordsInTo,
  complete: (config) => config,
  asks: () => undefined,
  *check(config) {
    yield* patternProblems(config)
    for (const name of Object.keys(config.headers)) {
      if (name.toLowerCase() !== 'location') continue
      yield { path: ['headers', name], message: 'is made from to; remove this line' }
    }
  },
  checkOfAgent: siteDataProblems,
  warnings: (config) => urlWarnings('redirect', config),
})
