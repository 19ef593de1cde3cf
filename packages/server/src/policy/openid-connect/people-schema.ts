// `allow` and `deny` of an `openid-connect`: people, by the claims of the provider. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostPatternProblem } from '../../values/host-pattern.ts'
import { filledList, text } from '../../values/value-schemas.ts'

const claimSchema = z.union(
  [
    text().refine((name) => !name.startsWith('['), 'is not the name of a claim; a list is written without quotes'),
    z.array(text()).min(1, 'is an empty path; write the names that lead to the claim').max(8),
  ],
  { error: 'must be the name of a claim, or the list of names that lead to it' },
)

export function peopleSchema(key: 'allow' | 'deny') {
  const may = key === 'allow' ? 'may pass' : 'may not pass'
  const nothing = key === 'allow' ? 'nobody' : 'no denial'
  const empty = (entry: string): string => `would mean ${nothing}; remove it or add ${entry}`
  return z
    .strictObject({
      emails: filledList(
        text()
          .toLowerCase()
          .refine(
            (email) => /^[^@\s]+@[^@\s]+$/.test(email),
            'is not an email address; write for example ada@example.com',
          ),
        empty('an email address'),
      )
        .exactOptional()
        .describe(`Email addresses that ${may}.`),
      domains: filledList(
        text()
          .toLowerCase()
          .refine(
            (domain) => hostPatternProblem(domain) === undefined && !domain.startsWith('*.'),
            'is not a domain; write the part after the @, for example example.com',
          ),
        empty('a domain'),
      )
        .exactOptional()
        .describe(`Domains of email addresses that ${may}. \`example.com\` does not include \`sub.example.com\`.`),
      groups: z
        .strictObject({
          claim: claimSchema
            .default('groups')
            .describe('The claim that lists the groups, written as under `claims`. The app gets these groups.'),
          separator: separatorSchema(),
          any_of: claimValues(empty('a group')).meta({ examples: ['[staff]'] }),
        })
        .exactOptional()
        .describe(`Groups that ${may}.`),
      claims: filledList(
        z.strictObject({
          claim: claimSchema
            .describe(
              'The claim: its whole name, such as `https://example.com/roles`, or a path with dots, such as `realm_access.roles`. If names inside a path contain dots, a list of names: `[resource_access, my.app, roles]`.',
            )
            .meta({ examples: ['department'] }),
          separator: separatorSchema(),
          any_of: claimValues(empty('a value')).meta({ examples: ['[engineering]'] }),
        }),
        empty('a claim'),
      )
        .exactOptional()
        .describe(`Claims with values that ${may}.`),
    })
    .refine(
      (people) => Object.values(people).some((list) => list !== undefined),
      key === 'allow'
        ? 'an empty allow would allow nobody; remove it, or add emails, domains, groups or claims'
        : 'an empty deny would deny nobody; remove it, or add emails, domains, groups or claims',
    )
}

function separatorSchema() {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(8)
    .exactOptional()
    .describe(
      'The separator of the values if the claim is one text, such as `","` or `" "`. Spaces around a value are dropped. Without a separator a text is one value.',
    )
}

function claimValues(empty: string) {
  // Claims may be numbers, or true and false. Sessions keep them as text.
  const value = z.preprocess(
    (written) => (typeof written === 'number' || typeof written === 'boolean' ? String(written) : written),
    text()
      .max(256)
      .refine((written) => written.trim() !== '', 'must not be empty'),
  )
  return filledList(value, empty).describe('One of these is enough. Whole values are compared, with case.')
}
