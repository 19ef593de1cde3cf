// `verify-webhook`: passes the deliveries that a provider has signed. The head is checked first: no body is read if the
// request cannot pass.

import type { VerifyWebhookConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import type { Action } from '../../exchange/action.ts'
import type { BodyRoom } from '../../exchange/body/body-room.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { edgeProblem } from '../../values/value-schemas.ts'
import type { Leniency } from '../leniency.ts'
import { rememberLast } from '../engine/remember-last.ts'
import { isLate } from '../late-text.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { textFrom } from '../text.ts'
import type { BodyVerdict, Delivery, Scheme, WebhookFault } from './schemes/scheme.ts'
import { SCHEMES } from './schemes/schemes.ts'

export interface VerifyWebhookParts extends SourcesParts {
  edgeId: string
  /** The tenant whose share of the room the bodies count for. */
  tenant: string
  bodies: Pick<BodyRoom, 'read'>
  /** Logs deliveries that fail the check and pass because of `enforce: false`. */
  leniency: Leniency
  clock: () => number
}

/** @throws RelayError, from the action: `webhook_refused`, and the errors of BodyRoom.read() */
export function verifyWebhook(
  { provider, secret, enforce }: VerifyWebhookConfig,
  parts: VerifyWebhookParts & Remembering,
): Action {
  const { edgeId, tenant, bodies, leniency, clock } = parts
  const scheme = SCHEMES[provider]
  const isRead = parts.readsResult('verify_webhook')
  const keyOf = keyFrom(secret, scheme, parts)

  const check = async (exchange: Exchange): Promise<BodyVerdict | { ok: 'answered' }> => {
    const { secret: text, verify } = keyOf(exchange)
    const head = verify(deliveryOf(exchange), clock())
    if (!head.ok) return head
    const body = await bodies.read(exchange, tenant)
    const verdict = head.checkBody(body)
    if (!verdict.ok) return verdict
    const answer = scheme.challengeAnswer?.(text, body)
    if (answer === undefined) return verdict
    exchange.respond(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }, answer)
    return { ok: 'answered' }
  }

  return async (exchange, next) => {
    const verdict = await check(exchange)
    if (verdict.ok === 'answered') return
    if (!verdict.ok) {
      const detail = `${provider}: ${DETAILS[verdict.reason]}`
      if (enforce) throw new RelayError('webhook_refused', { detail })
      leniency.note({ edgeId, action: 'verify-webhook', detail })
      const error = { code: verdict.reason, message: DETAILS[verdict.reason] }
      if (isRead) noteResult(exchange, 'verify_webhook', { verified: false, error })
    } else if (isRead) noteResult(exchange, 'verify_webhook', { verified: true })
    await next()
  }
}

interface Key {
  readonly secret: string
  readonly verify: ReturnType<Scheme['withSecret']>
}

/** @throws RelayError, from the function: `expression_failed`, `path_ambiguous` */
function keyFrom(
  secret: VerifyWebhookConfig['secret'],
  scheme: Scheme,
  parts: SourcesParts,
): (exchange: Exchange) => Key {
  const keyWith = (text: string): Key => ({ secret: text, verify: scheme.withSecret(text) })
  if (!isLate(secret)) {
    const key = keyWith(secret.reveal())
    return () => key
  }
  const text = textFrom(secret.source, 'on_http_request', 'secret of verify-webhook', parts)
  const remembered = rememberLast(keyWith)
  return (exchange) => {
    const made = text(exchange)
    // An empty key would let everybody sign.
    const problem = made === '' ? 'is empty' : (edgeProblem(made) ?? scheme.secretProblem?.(made))
    if (problem === undefined) return remembered(made)
    throw new RelayError('expression_failed', { detail: `the secret of verify-webhook ${problem}` })
  }
}

function deliveryOf(exchange: Exchange): Delivery {
  return {
    method: exchange.method,
    url: exchange.origin + exchange.visitorTarget, // the text that the provider has signed
    header: (name) => exchange.header(name),
  }
}

/** For the log only. The sender does not get the reason. */
const DETAILS: Readonly<Record<WebhookFault, string>> = {
  signature_missing: 'there is no signature',
  signature_malformed: 'the signature is malformed',
  signature_wrong: 'the signature is wrong',
  timestamp_missing: 'there is no time stamp',
  timestamp_out_of_range: 'the time stamp is too far from now',
  body_malformed: 'the body is not what the signature is about',
}
