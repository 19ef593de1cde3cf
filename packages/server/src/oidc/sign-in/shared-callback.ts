// `<public_url>/oidc/callback/<issuer's name>`: the address to which a provider sends visitors back, for all edges. It
// checks that `state` is ours and was made for the issuer in the path, and hands the provider's answer over to the edge
// in a sealed box, so that no code is ever in a URL of an edge host: the app's own service worker could read it there.
// It redeems no code and sets no cookie. A valid but expired `state` also leads to the edge, but without the answer:
// there the visitor has a session, or gets a button that starts again. The path distinguishes a dishonest issuer from
// an honest one (RFC 9700 4.4): it can make an honest one answer with its own `state`, but not at its own path, which
// is not registered there.

import { CALLBACK } from '../../model/redirect-uri.ts'
import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readParameters } from './parameters.ts'
import type { SignInParts } from './parts.ts'

const HAND_OVER_MS = 60_000
const MAX_PATH_CHARS = 200 // in the log; ours have 136 at most
const MAX_ERROR_CHARS = 300 // as shown on a page; the limits below are those of a URL

/**
 * `<public_url>/oidc/callback`, formerly the redirect URI of all issuers: it takes no answer any more.
 * @throws RelayError that says what to register
 */
export function refuseOldCallback(): never {
  throw new RelayError('sign_in_failed', {
    detail: `an answer has come to ${CALLBACK}, which is no longer a redirect URI: relay oidc redirect-uri ISSUER prints the one to register`,
    advice: ({ instead }) => instead.oldCallback,
    operator: {
      advice: ({ instead }) => instead.oldCallbackMeans(CALLBACK),
      command: 'relay oidc redirect-uri ISSUER --config relay.yml',
    },
  })
}

export async function handOver(exchange: Exchange, parts: SignInParts): Promise<void> {
  if (!parts.attempts.take(exchange.clientIp, parts.clock())) {
    throw new RelayError('too_many_requests', { limit: 'callbacks_per_minute', headers: { 'retry-after': '60' } })
  }
  const read = readParameters(exchange.target, {
    state: 4096,
    code: 4096,
    iss: 512,
    error: 4096,
    error_description: 4096,
  })
  if (!read.ok) throw new RelayError('sign_in_failed', { detail: read.detail })
  const { state, code, iss, error, error_description } = read.values
  if (!state) throw new RelayError('sign_in_failed', { detail: 'the callback has no state' })
  const opened = parts.boxes.open('state', state, parts.clock())
  if (!opened.ok && opened.reason === 'forged') {
    throw new RelayError('sign_in_failed', { detail: 'state is forged' })
  }
  if (!code && !error) throw new RelayError('sign_in_failed', { detail: 'the callback has neither code nor error' })
  const { host } = opened.content
  const found = parts.findRegistration(opened.content)
  if (!found.ok) throw new RelayError('sign_in_failed', { detail: found.detail })
  const { edgeId, config, callbackPath } = found.registration
  if (exchange.path !== callbackPath) {
    throw new RelayError('sign_in_failed', {
      detail: `an answer for ${config.issuer_url} has come to the redirect URI of another issuer, ${exchange.path.slice(0, MAX_PATH_CHARS)}`,
    })
  }
  // The hosts of an edge may have changed since the `state` was made. It must not lead to a host that another edge has
  // now.
  const origin = parts.originOf(edgeId, host)
  if (origin === undefined) {
    throw new RelayError('sign_in_failed', { detail: `${host} is no longer a host of ${edgeId}` })
  }
  // RFC 6749 4.1.2.1: an answer is one of the two; an error takes precedence.
  const answer = error
    ? {
        error: error.slice(0, MAX_ERROR_CHARS),
        ...(error_description && { errorDescription: error_description.slice(0, MAX_ERROR_CHARS) }),
      }
    : { code: code! } // one of them exists, as just checked
  const box = parts.boxes.seal(
    'hand-over',
    { state, ...(opened.ok && { ...(iss !== undefined && { iss }), ...answer }) },
    parts.clock() + HAND_OVER_MS,
  )
  exchange.respond(303, {
    location: `${origin}/.sallyport/oidc/callback?box=${box}`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  })
}
