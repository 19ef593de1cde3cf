// The border around whatever a visitor, an app, an agent or a provider drives: what a listener of ours throws there ends
// the one thing that it serves, is told once, and never reaches whoever emitted the event, where it would end the
// process. node:http, node:http2 and node:stream all throw on arguments and states that they do not like.

/** What a fault ended. */
export type Border =
  | 'exchange'
  | 'visitor_connection'
  | 'app_connection'
  | 'tunnel_session'
  | 'endpoint'
  /** Asking a provider for what is new, or to forget a token, behind everybody's back. */
  | 'provider_request'

/**
 * Tells of a fault: something was thrown that nobody expected. Logs it with its stack and counts it.
 * @param about what else the log should say
 */
export type OnFault = (thrown: unknown, border: Border, about?: Readonly<Record<string, unknown>>) => void

/** What ends by itself, and alone, when a listener of it throws. */
export interface Bordered {
  fault(thrown: unknown): void
}

/** A listener that cannot throw: what it would have thrown is the fault of what it belongs to. */
export function within<Args extends unknown[]>(
  bordered: Bordered,
  listener: (...args: Args) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      listener(...args)
    } catch (error) {
      bordered.fault(error)
    }
  }
}
