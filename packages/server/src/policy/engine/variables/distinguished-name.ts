// Subjects and issuers of certificates: a text in the form of RFC 2253, and fields. Pure: no I/O, no clock.

import { defineRecord, value } from './record.ts'

export interface NameFacts {
  /** As node:crypto writes it: a line for each part, `CN=ann`. */
  readonly lines: string
}

export const DISTINGUISHED_NAME = defineRecord<NameFacts>('sallyport.DistinguishedName', {
  common_name: value(
    'string',
    '`CN`; if there are several, the last one',
    ({ lines }) => partsOf(lines, 'CN').at(-1) ?? '',
  ),
  country: value('list<string>', '`C`', ({ lines }) => partsOf(lines, 'C')),
  locality: value('list<string>', '`L`', ({ lines }) => partsOf(lines, 'L')),
  organization: value('list<string>', '`O`', ({ lines }) => partsOf(lines, 'O')),
  organizational_unit: value('list<string>', '`OU`', ({ lines }) => partsOf(lines, 'OU')),
  postal_code: value('list<string>', '`postalCode`', ({ lines }) => partsOf(lines, 'postalCode')),
  province: value('list<string>', '`ST`', ({ lines }) => partsOf(lines, 'ST')),
  street_address: value('list<string>', '`street`', ({ lines }) => partsOf(lines, 'street')),
})

/** `CN=ann,OU=One,O=Example`: the other way round, as Go and RFC 2253 2.1 write it. */
export function nameText(lines: string): string {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .toReversed()
    .join(',')
}

function partsOf(lines: string, type: string): string[] {
  return lines
    .split('\n')
    .filter((line) => line.startsWith(`${type}=`))
    .map((line) => unescaped(line.slice(type.length + 1)))
}

/** RFC 2253 2.4: a backslash precedes a special character, or the two digits of a byte. */
function unescaped(text: string): string {
  return text.includes('\\')
    ? text.replace(/\\(?:([0-9a-f]{2})|(.))/gi, (_, hex?: string, plain?: string) =>
        hex === undefined ? (plain ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
      )
    : text
}
