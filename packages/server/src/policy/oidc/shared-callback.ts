// `<public_url>/oidc/callback`: where every provider sends every visitor back to. It checks that `state` is ours and
// hands the provider's answer over to the edge in a sealed box, so that no code ever stands in a URL of an edge host,
// where the app's own service worker could read it. It exchanges nothing and sets no cookie.

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readParameters } from './parameters.ts'
import type { SignInParts } from './parts.ts'

const HAND_OVER_MS = 60_000
const MAX_ERROR_CHARS = 300 // as shown on a page; the limits below are what a URL may carry

export async function handOver(exchange: Exchange, parts: SignInParts): Promise<void> {
  if (!parts.attempts.take(exchange.clientIp, parts.clock())) {
    throw new RelayError('too_many_requests', { headers: { 'retry-after': '60' } })
  }
  const read = readParameters(exchange.target, {
    state: 2048,
    code: 4096,
    iss: 512,
    error: 4096,
    error_description: 4096,
  })
  if (!read.ok) throw new RelayError('sign_in_failed', { detail: read.detail })
  const { state, code, iss, error, error_description } = read.values
  if (!state) throw new RelayError('sign_in_failed', { detail: 'the callback has no state' })
  const opened = parts.boxes.open('state', state, parts.clock())
  if (!opened.ok) {
    throw new RelayError(opened.reason === 'expired' ? 'sign_in_expired' : 'sign_in_failed', {
      detail: `state is ${opened.reason}`,
    })
  }
  if (!code && !error) throw new RelayError('sign_in_failed', { detail: 'the callback has neither code nor error' })
  const { edge, origin, authId, clientId } = opened.content
  const registration = parts.findRegistration(edge, authId)
  if (registration?.config.client_id !== clientId) {
    throw new RelayError('sign_in_failed', { detail: `sign-in ${authId} of ${edge} is not configured any more` })
  }
  const box = parts.boxes.seal(
    'hand-over',
    {
      state,
      ...(iss !== undefined && { iss }),
      // RFC 6749 4.1.2.1: an answer is either of the two; an error wins.
      ...(error
        ? {
            error: error.slice(0, MAX_ERROR_CHARS),
            ...(error_description && { errorDescription: error_description.slice(0, MAX_ERROR_CHARS) }),
          }
        : { code: code! }), // one of them is there, as just seen
    },
    parts.clock() + HAND_OVER_MS,
  )
  exchange.respond(303, {
    location: `${origin}/.sallyport/oidc/callback?box=${box}`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
}
