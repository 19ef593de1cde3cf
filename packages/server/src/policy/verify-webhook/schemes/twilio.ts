// Twilio (twilio.com/docs/usage/security): it signs the URL that was called, followed by the fields of the form, by
// name; if the body is not a form, the URL contains its hash.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

import { decode } from './hmac.ts'
import { isSameText, type BodyVerdict, type Delivery, type Scheme } from './scheme.ts'

const FIELDS_MAX = 1000 // they are sorted: a megabyte of `a&a&…` would delay every visitor
const SIGNATURE_BYTES = 20
const WRONG: BodyVerdict = { ok: false, reason: 'signature_wrong' }

export const twilio: Scheme = {
  withSecret: (secret) => (delivery) => {
    const written = delivery.header('x-twilio-signature')
    if (written === undefined) return { ok: false, reason: 'signature_missing' }
    const signature = decode(written, 'base64', SIGNATURE_BYTES)
    if (!signature) return { ok: false, reason: 'signature_malformed' }
    return {
      ok: true,
      checkBody: (body) => {
        const signed = signedOf(delivery, body)
        if (signed === undefined) return { ok: false, reason: 'body_malformed' }
        const matching = spellingsOf(delivery.url).filter((url) =>
          timingSafeEqual(createHmac('sha1', secret).update(url).update(signed).digest(), signature),
        )
        return matching.length > 0 ? { ok: true } : WRONG
      },
    }
  },
}

/** The signed text after the URL; undefined if the body does not fit its hash or its type. */
function signedOf(delivery: Delivery, body: Buffer): string | undefined {
  const hash = URL.parse(delivery.url)?.searchParams.get('bodySHA256') ?? undefined
  if (hash !== undefined) {
    return isSameText(createHash('sha256').update(body).digest('hex'), hash.toLowerCase()) ? '' : undefined
  }
  const type = delivery.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') return body.length === 0 ? '' : undefined
  return fieldsOf(body.toString('utf8'))
}

/** As in their libraries: sorted by name, and by value if a name is repeated, each value once. */
function fieldsOf(form: string): string | undefined {
  let ampersands = 0
  for (let at = form.indexOf('&'); at !== -1; at = form.indexOf('&', at + 1)) {
    if (++ampersands >= FIELDS_MAX) return undefined
  }
  const fields = new Map<string, Set<string>>()
  for (const [name, value] of new URLSearchParams(form)) {
    const values = fields.get(name)
    if (values) values.add(value)
    else fields.set(name, new Set([value]))
  }
  return [...fields.keys()]
    .toSorted()
    .flatMap((name) => [...fields.get(name)!].toSorted().map((value) => name + value)) // it is one of them
    .join('')
}

/** Twilio signs some calls with the port in the URL, and some without: their libraries try both. */
function spellingsOf(url: string): string[] {
  const [, scheme, host = '', port, rest = ''] = /^(https?):\/\/(\[[^\]]*\]|[^/:?#]*)(:\d+)?(.*)$/s.exec(url) ?? []
  if (scheme === undefined) return [url]
  const usual = scheme === 'https' ? 443 : 80
  return [url, port === undefined ? `${scheme}://${host}:${usual}${rest}` : `${scheme}://${host}${rest}`]
}
