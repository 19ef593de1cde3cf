// The border around all code that a visitor, an app, an agent or a provider drives. An exception of a listener ends
// only the thing that the listener serves, and is reported once. It never reaches the emitter of the event, where it
// would end the process. node:http, node:http2 and node:stream all throw on invalid arguments and states.

/** The thing that a fault ended. */
export type Border =
  | 'exchange'
  | 'visitor_connection'
  | 'app_connection'
  | 'tunnel_session'
  | 'endpoint'
  /** A background request to a provider: new claims, or the revocation of a token. */
  | 'provider_request'

/**
 * Reports a fault, which is an unexpected exception: logs it with its stack and counts it.
 * @param about further fields for the log
 */
export type OnFault = (thrown: unknown, border: Border, about?: Readonly<Record<string, unknown>>) => void

/** A thing that ends when one of its listeners throws. Nothing else ends with it. */
export interface Bordered {
  fault(thrown: unknown): void
}

/** A listener that cannot throw: its exception becomes the fault of the thing that it belongs to. */
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
