// The input of variables: the engine's own view of an exchange, so that the engine does not depend on exchanges. Implementations
// compute a property when it is read, so an expression pays only for the variables that it reads. Types only.

import type { X509Certificate } from 'node:crypto'

export interface Facts {
  readonly connection: ConnectionFacts
  readonly endpoint: EndpointFacts
  /** Absent in `on_tcp_connect`. */
  readonly request?: RequestFacts | undefined
  /** Present only in `on_http_response`. */
  readonly response?: ResponseFacts | undefined
  /** The variables that `set-vars` has set in this phase. */
  readonly vars: ReadonlyMap<string, unknown>
  /** The results of actions, by their names in ngrok's variables (`rate_limit`), in the form of `celValue()`. */
  readonly results: ReadonlyMap<string, ReadonlyMap<string, unknown>>
  /** Only for `retry_condition`. */
  readonly attempts?: AttemptFacts | undefined
  readonly lookups: Lookups
  /** Undefined if there is no such secret. */
  secret(vault: string, name: string): string | undefined
  /** Milliseconds since 1970. */
  now(): number
}

export interface ConnectionFacts {
  /** An address, or `unknown` if a trusted proxy wrote something unreadable. */
  readonly clientIp: string
  readonly clientPort: number
  readonly serverIp: string
  readonly serverPort: number
  /** The region of this relay, from its configuration. */
  readonly region: string | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Absent without TLS. */
  readonly tls: TlsFacts | undefined
}

export interface TlsFacts {
  /** `1.2` or `1.3`. */
  readonly version: string
  /** Its IANA name: `TLS_AES_128_GCM_SHA256`. */
  readonly cipherSuite: string
  readonly sni: string
  /** Empty if none was negotiated. */
  readonly alpn: string
  readonly sessionResumed: boolean
  readonly client: X509Certificate | undefined
  readonly server: X509Certificate | undefined
}

export interface EndpointFacts {
  readonly id: string
  readonly protocol: 'http' | 'https' | 'tcp' | 'tls'
  readonly host: string
  readonly port: number
  readonly url: string
}

export interface MessageFacts {
  /** Name, value, name, value …, including the changes of actions so far. */
  readonly rawHeaders: readonly string[]
  readonly rawTrailers: readonly string[]
}

export interface RequestFacts extends MessageFacts {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** In normal form: lower case, without a port. */
  readonly host: string
  /** The port in the `Host` header; undefined if it has none. */
  readonly port: number | undefined
  /** The path to decide on: the path that is forwarded, or its normal form when an expression is evaluated for both. */
  readonly path: string
  /** As the visitor sent it. */
  readonly rawPath: string
  /** Without the `?`. */
  readonly query: string
  readonly version: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2.0'
  /** Milliseconds since 1970. */
  readonly headerReceivedAt: number
  /** Undefined while the body is on its way. */
  readonly bodyReceivedAt: number | undefined
}

export interface ResponseFacts extends MessageFacts {
  readonly statusCode: number
}

/** ngrok docs: `http-request`, `retry_condition`. */
export interface AttemptFacts {
  readonly count: number
  readonly last: ReadonlyMap<string, unknown>
}

/**
 * Lookups of addresses in the operator's files. A policy that needs an absent lookup was refused when it was read.
 */
export interface Lookups {
  /** Undefined if the file does not have the address. */
  readonly city?: (address: string) => CityFacts | undefined
  readonly autonomousSystem?: (address: string) => { number: number; organization?: string } | undefined
  /** The names of the operator's lists that contain the address. */
  readonly lists?: (address: string) => readonly string[]
  /** Whether the named list of the operator contains the address; undefined if there is no such list. */
  readonly isOn?: (name: string, address: string) => boolean | undefined
}

/** ngrok docs: IP Intelligence variables. Fields that the file does not have are undefined. */
export interface CityFacts {
  readonly location: Place
  readonly registered?: Place
}

export interface Place {
  readonly city?: string
  readonly continent?: string
  readonly country?: string
  readonly countryCode?: string
  readonly isEu?: boolean
  readonly latitude?: number
  readonly longitude?: number
  readonly metroCode?: string
  readonly postalCode?: string
  readonly radiusKm?: number
  readonly subdivision?: string
  readonly timeZone?: string
}
