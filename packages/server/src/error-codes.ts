// Ground floor: the codes of RelayError, and their meaning for programs and pages. texts/ has the words for people.

/** `tunnel` is the way from the relay to the app. */
export type BrokenPart = 'relay' | 'tunnel' | 'app' | 'provider'

export interface Answer {
  status: number
  /** Whether trying again may help: people get a link for it. */
  again?: true
  /**
   * Whether loading the page again may help people, though programs should not retry: the page offers it first
   * (`true`), never (`false`), or only without another link (undefined).
   */
  reload?: boolean
  /** The part that a page draws as broken, on the way from the visitor to the app or to the identity provider. */
  broken?: BrokenPart
  /** Whether it depends on the visitor's address, which the answer then shows. */
  address?: true
}

export const ANSWERS = {
  bad_request: { status: 400 },
  path_ambiguous: { status: 400 },
  rewrite_refused: { status: 400 },
  sign_in_required: { status: 401 },
  sign_in_failed: { status: 400, reload: false },
  sign_in_expired: { status: 400 },
  credentials_required: { status: 401, reload: true },
  credentials_refused: { status: 401, reload: true },
  credentials_insufficient: { status: 403 },
  not_allowed: { status: 403 },
  ip_restricted: { status: 403, reload: true, address: true },
  denied: { status: 403 },
  origin_refused: { status: 403 },
  webhook_refused: { status: 403, reload: false },
  certificate_required: { status: 403, reload: true },
  certificate_refused: { status: 403, reload: true },
  tls_ended_elsewhere: { status: 403, reload: false },
  edge_not_found: { status: 404, reload: true },
  route_not_found: { status: 404 },
  page_not_found: { status: 404, reload: false },
  method_not_allowed: { status: 405 },
  request_timeout: { status: 408, again: true },
  body_too_large: { status: 413, reload: false },
  misdirected: { status: 421, reload: true },
  headers_too_large: { status: 431, reload: true },
  too_many_connections: { status: 429, again: true, address: true },
  rate_limited: { status: 429, again: true },
  too_many_requests: { status: 429, again: true },
  expression_failed: { status: 500, reload: true, broken: 'relay' },
  internal: { status: 500, again: true, broken: 'relay' },
  coding_unsupported: { status: 501 },
  upgrade_unsupported: { status: 501 },
  app_down: { status: 502, again: true, broken: 'app' },
  app_bad_answer: { status: 502, again: true, broken: 'app' },
  tunnel_lost: { status: 502, again: true, broken: 'tunnel' },
  http_request_failed: { status: 502, again: true, broken: 'relay' },
  provider_unreachable: { status: 502, again: true, broken: 'provider' },
  no_tunnel_online: { status: 503, again: true, broken: 'tunnel' },
  internal_endpoint_offline: { status: 503, again: true, broken: 'tunnel' },
  relay_full: { status: 503, again: true, broken: 'relay' },
  circuit_open: { status: 503, again: true, broken: 'app' },
  tunnel_full: { status: 503, again: true, broken: 'tunnel' },
  edge_broken: { status: 503, again: true, broken: 'relay' },
  edge_disabled: { status: 503, reload: true },
  store_unavailable: { status: 503, again: true, broken: 'relay' },
  app_timeout: { status: 504, again: true, broken: 'app' },
  too_many_forwards: { status: 508, reload: true, broken: 'relay' },
  loop_detected: { status: 508, reload: true, broken: 'app' },
} as const satisfies Record<string, Answer>

export type RelayErrorCode = keyof typeof ANSWERS

/** The codes with a drawing. */
export type BrokenCode = {
  [Code in RelayErrorCode]: (typeof ANSWERS)[Code] extends { broken: BrokenPart } ? Code : never
}[RelayErrorCode]
