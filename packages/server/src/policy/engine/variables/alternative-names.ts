// The alternative names of a certificate, beside its subject. Pure: no I/O, no clock.

import { defineRecord, value } from './record.ts'

export interface AlternativeNamesFacts {
  /** As node:crypto writes it: `DNS:a.example, IP Address:192.0.2.1`, with JSON for ambiguous values. */
  readonly text: string
}

export const ALTERNATIVE_NAMES = defineRecord<AlternativeNamesFacts>('sallyport.AlternativeNames', {
  dns_names: value('list<string>', 'the DNS names', ({ text }) => namesOf(text, 'DNS:')),
  email_addresses: value('list<string>', 'the email addresses', ({ text }) => namesOf(text, 'email:')),
  ip_addresses: value('list<string>', 'the IP addresses', ({ text }) => namesOf(text, 'IP Address:')),
  uris: value('list<string>', 'the URIs', ({ text }) => namesOf(text, 'URI:')),
})

function namesOf(text: string, kind: string): string[] {
  return entriesOf(text)
    .filter((entry) => entry.startsWith(kind))
    .map((entry) => nameOf(entry.slice(kind.length)))
}

/** Splits at `, ` outside quotes. */
function entriesOf(text: string): string[] {
  const entries: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\' && isQuoted) at++
    else if (text[at] === '"') isQuoted = !isQuoted
    else if (!isQuoted && text.startsWith(', ', at)) {
      entries.push(text.slice(start, at))
      start = at + 2
    }
  }
  entries.push(text.slice(start))
  return entries
}

/** node:crypto writes a name as JSON if it could be mistaken for several names (CVE-2021-44532). */
function nameOf(written: string): string {
  if (!written.startsWith('"')) return written
  try {
    const name: unknown = JSON.parse(written)
    return typeof name === 'string' ? name : written
  } catch {
    return written // the text is not readable, so no name may equal it
  }
}
