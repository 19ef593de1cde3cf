// How a provider signs its deliveries. A scheme checks the head first, so that no body is read if the request cannot
// pass. Pure: no I/O, and the clock is an argument.

import { createHash, timingSafeEqual } from 'node:crypto'

/** The signed parts of a request, beside its body. */
export interface Delivery {
  readonly method: string
  /** As the provider called it: scheme, host, port if it is not the default, path and query. */
  readonly url: string
  /** By its lower-case name. */
  header(name: string): string | undefined
}

export type WebhookFault =
  | 'signature_missing'
  | 'signature_malformed'
  | 'signature_wrong'
  | 'timestamp_missing'
  | 'timestamp_out_of_range'
  | 'body_malformed'

export type BodyVerdict = { ok: true } | { ok: false; reason: WebhookFault }
/** The second part of the check, which needs the body. */
export type CheckBody = (body: Buffer) => BodyVerdict
export type HeadVerdict = { ok: true; checkBody: CheckBody } | { ok: false; reason: WebhookFault }

/** @param now milliseconds since 1970 */
export type Verify = (delivery: Delivery, now: number) => HeadVerdict

export interface Scheme {
  /** Why this cannot be a secret of this provider: the end of a sentence, without the secret. */
  secretProblem?(secret: string): string | undefined
  /** Prepares a secret that has no problem, once. */
  withSecret(secret: string): Verify
  /**
   * The answer, in JSON, if the provider sends this delivery to test an address before it delivers there. It is called
   * only if the signature is right.
   */
  challengeAnswer?(secret: string, body: Buffer): string | undefined
}

/** Compares in a time that does not depend on the place of a difference, nor on the lengths. */
export function isSameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest()
  return timingSafeEqual(digest(one), digest(other))
}

/** ngrok docs, `verify-webhook`: for providers that name no tolerance of their own. */
export const USUAL_TOLERANCE_MS = 180_000

/**
 * Whether a time stamp is neither too old nor too far in the future, so that an attacker who has seen a delivery cannot
 * send it again later.
 * @param written a whole number of `unitMs` since 1970
 */
export function timestampFault(
  written: string | undefined,
  now: number,
  { unitMs, toleranceMs }: { unitMs: number; toleranceMs: number },
): WebhookFault | undefined {
  if (written === undefined) return 'timestamp_missing'
  if (!/^\d{1,15}$/.test(written)) return 'timestamp_out_of_range'
  return Math.abs(now - Number(written) * unitMs) > toleranceMs ? 'timestamp_out_of_range' : undefined
}
