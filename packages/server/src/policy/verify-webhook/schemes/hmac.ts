// Signatures by a keyed hash over the body and some of the head (RFC 2104), as most providers make them.

import { createHmac, timingSafeEqual } from 'node:crypto'

import { timestampFault, type BodyVerdict, type Delivery, type Scheme, type Verify } from './scheme.ts'

const SIGNATURES_MAX = 16 // of one delivery; providers send two while a secret is being changed
const WRONG: BodyVerdict = { ok: false, reason: 'signature_wrong' }
const RIGHT: BodyVerdict = { ok: true }

export interface HmacScheme {
  algorithm: 'sha1' | 'sha256'
  encoding: 'hex' | 'base64'
  /** The signatures in the head, each still encoded; undefined if it has none. */
  signaturesOf: (delivery: Delivery) => readonly string[] | undefined
  /** The signed time. Without it the age of a delivery is unknown. */
  timestamp?: { of(delivery: Delivery): string | undefined; unitMs: number; toleranceMs: number }
  /** The signed texts before and after the body. */
  before?: (delivery: Delivery, timestamp: string) => string
  after?: (delivery: Delivery, timestamp: string) => string
}

export function hmac(scheme: HmacScheme, keyOf: (secret: string) => string | Buffer = same): Scheme {
  return { withSecret: (secret) => verifyWith(scheme, keyOf(secret)) }
}

function verifyWith(scheme: HmacScheme, key: string | Buffer): Verify {
  const { algorithm, encoding, signaturesOf, timestamp, before, after } = scheme
  return (delivery, now) => {
    const written = signaturesOf(delivery)?.slice(0, SIGNATURES_MAX)
    if (!written || written.length === 0) return { ok: false, reason: 'signature_missing' }
    const signatures = written
      .map((each) => decode(each, encoding, BYTES[algorithm]))
      .filter((each) => each !== undefined)
    if (signatures.length === 0) return { ok: false, reason: 'signature_malformed' }
    const time = timestamp?.of(delivery)
    const fault = timestamp && timestampFault(time, now, timestamp)
    if (fault) return { ok: false, reason: fault }
    return {
      ok: true,
      checkBody: (body) => {
        const sum = createHmac(algorithm, key)
        if (before) sum.update(before(delivery, time ?? ''))
        sum.update(body)
        if (after) sum.update(after(delivery, time ?? ''))
        const expected = sum.digest()
        // Each of them is compared in constant time.
        const matching = signatures.filter((each) => timingSafeEqual(each, expected))
        return matching.length > 0 ? RIGHT : WRONG
      },
    }
  }
}

const BYTES = { sha1: 20, sha256: 32 } as const
/** @returns undefined if it is not a signature of this length, so that only equal lengths are compared */
export function decode(written: string, encoding: 'hex' | 'base64', length: number): Buffer | undefined {
  if (written.length > 2 * length) return undefined
  const bytes = Buffer.from(written, encoding) // leaves out unknown characters
  if (bytes.length !== length || bytes.toString(encoding) !== (encoding === 'hex' ? written.toLowerCase() : written)) {
    return undefined
  }
  return bytes
}

/** One signature after a prefix, which may be empty. */
export function inHeader(name: string, prefix = ''): (delivery: Delivery) => readonly string[] | undefined {
  return (delivery) => {
    const value = delivery.header(name)
    if (value === undefined) return undefined
    return value.startsWith(prefix) ? [value.slice(prefix.length)] : []
  }
}

/** The signatures with a prefix, in a list separated by commas or spaces. */
export function listedInHeader(
  name: string,
  prefix: string,
  separator: ',' | ' ',
): (delivery: Delivery) => readonly string[] | undefined {
  return (delivery) =>
    delivery
      .header(name)
      ?.split(separator, 2 * SIGNATURES_MAX)
      .map((each) => each.trim())
      .filter((each) => each.startsWith(prefix))
      .map((each) => each.slice(prefix.length))
}

export function headerNamed(name: string): (delivery: Delivery) => string | undefined {
  return (delivery) => delivery.header(name)
}

function same(secret: string): string {
  return secret
}
