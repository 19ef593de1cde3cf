// Parts of ngrok's policies that this relay refuses, each with advice. Pure: no I/O, no clock.

import { child } from '../../values/written-tree.ts'

const FIREWALL =
  'needs a web application firewall, which this relay does not have; put one in front of the app, and remove this action'
const CERTIFICATES =
  'is not part of policies here: the relay has its certificates from tls.certificates in relay.yml; remove it'
const BODIES =
  'changes bodies on their way, which this relay does not do; remove it, and do not rely on it to keep anything secret'

/** By the type of the action: a sentence without its beginning. */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['owasp-crs-request', FIREWALL],
  ['owasp-crs-response', FIREWALL],
  ['saml', 'is not possible here; the same identity providers speak OpenID Connect: use openid-connect'],
  [
    'ai-gateway',
    'routes to providers of language models, which this relay does not do; forward-internal to a gateway of your own, or remove it',
  ],
  ['request-body-find-replace', BODIES],
  ['response-body-find-replace', BODIES],
  ['sse-find-replace', BODIES],
])

/** Keys of ngrok, with the name of a key beside which they occur. */
const KEYS: ReadonlyMap<string, readonly [beside: string, sentence: string]> = new Map([
  ['on_event_stream_message', ['on_http_request', BODIES]],
  ['enabled', ['on_http_request', 'is an older form; remove it, and the whole policy if it was to be off']],
  ['server_certificate', ['mutual_tls_verification_strategy', CERTIFICATES]],
  ['server_private_key', ['mutual_tls_verification_strategy', CERTIFICATES]],
])

/**
 * @param step the action as it was written
 * @returns a sentence, or undefined for an action of which nothing is known
 */
export function refusedAction(step: unknown): string | undefined {
  const type = child(step, 'type')
  const refusal = typeof type === 'string' ? ACTIONS.get(type) : undefined
  if (refusal === undefined) return undefined
  return `${String(type)} ${refusal}`
}

/**
 * @param known the keys that are possible at its place
 * @returns the end of a sentence, or undefined for a key of which nothing is known
 */
export function refusedKey(key: string, known: readonly string[]): string | undefined {
  const [beside, sentence] = KEYS.get(key) ?? []
  return beside !== undefined && known.includes(beside) ? sentence : undefined
}
