// The kind of `url-rewrite`. Pure: no I/O, no clock.

import { z } from 'zod'

import { text } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { olderWordsInTo } from '../urls/older-words.ts'
import { patternProblems } from '../urls/pattern-problems.ts'
import { urlWarnings } from '../urls/url-warnings.ts'

const schema = z.strictObject({
  from: text()
    .exactOptional()
    .describe('A regular expression of RE2, which is applied to the whole URL. Without it, the whole URL is replaced.')
    .meta({ examples: ['"/v1/(.*)"'] }),
  to: text()
    .describe(
      'The text that replaces every match: `$1` is a group, `$name` the group `(?P<name>…)`. It may contain `${…}`, as `from` may.',
    )
    .meta({ examples: ['/v2/$1'] }),
})

export type UrlRewriteConfig = z.output<typeof schema>

export const urlRewriteKind = defineKind({
  documentation:
    'Gives the app another path and query. A result on another route of the edge, or below `/.sallyport/`, is refused with 400. See [Traffic policy](traffic-policy.md#redirect-and-url-rewrite).',
  otherNames: ['rewrite', 'rewrite-url', 'urlrewrite'],
  phases: ['on_http_request'],
  admits: 'everybody',
  takesSecrets: false,
  readsPath: true,
  agentMayWrite: ['from', 'to'],
  schema,
  templates: ['from', 'to'],
  olderWords: olderWordsInTo,
  complete: (config) => config,
  asks: () => undefined,
  check: patternProblems,
  warnings: (config) => urlWarnings('url-rewrite', config),
})
