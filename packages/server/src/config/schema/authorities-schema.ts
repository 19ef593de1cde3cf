// `certificate_authorities:` of relay.yml. Pure: no I/O, no clock.

import { resolve } from 'node:path'

import { z } from 'zod'

import { isPem, pemProblem } from '../../values/authorities-in.ts'
import { filledList, reporting, text } from '../../values/value-schemas.ts'

const authority = text().superRefine(reporting(pemProblem))

export const authoritiesSchema = z
  .record(
    z
      .string()
      .regex(/^ca_[A-Za-z0-9_-]{1,64}$/, 'must be ca_ and then letters, digits, _ or -, for example ca_partners'),
    z.preprocess(
      (written) => (typeof written === 'string' ? [written] : written),
      filledList(authority, 'would trust nobody; add the certificate of an authority, or remove it'),
    ),
  )
  .describe(
    'Authorities that sign certificates of visitors, by the id under which `terminate-tls` names them: a certificate in PEM, the path of such a file, or a list of these. Policies of agents cannot name them.',
  )
  .meta({ examples: ['{ ca_partners: /etc/sallyport/partners.pem }'] })

/** With absolute paths. */
export function completeAuthorities(
  written: z.output<typeof authoritiesSchema>,
  folder: string,
): Map<string, string[]> {
  return new Map(
    Object.entries(written).map(([id, each]) => [id, each.map((one) => (isPem(one) ? one : resolve(folder, one)))]),
  )
}
