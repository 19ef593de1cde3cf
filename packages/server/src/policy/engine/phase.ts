// The phases of a policy. The phase of a rule decides which variables exist for it.

/** ngrok docs: "How Traffic Policy Works", phases. */
export type Phase = 'on_tcp_connect' | 'on_http_request' | 'on_http_response'

export const ALL_PHASES: readonly Phase[] = ['on_tcp_connect', 'on_http_request', 'on_http_response']
/** The phases with a request. */
export const HTTP_PHASES: readonly Phase[] = ['on_http_request', 'on_http_response']
/** The phases with an answer of the app. */
export const RESPONSE_PHASE: readonly Phase[] = ['on_http_response']

/** `on_http_request and on_http_response`, for a sentence. */
export function phaseWords(phases: readonly Phase[]): string {
  return phases.join(' and ')
}
