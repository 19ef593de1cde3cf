// One policy in ngrok's documented form, with requests and the required result of each. policy-runner.ts runs them.

export interface PolicyCase {
  /** Its purpose. */
  readonly name: string
  /** As people write it: YAML or JSON. */
  readonly policy: string
  readonly visits: readonly Visit[]
  /** The reader's messages about it; none by default. */
  readonly remarks?: readonly RegExp[]
}

export type Visit = readonly [
  /** `GET /path`; a method and a target. */
  line: string,
  /** The status alone, or more. A status from 200 to 299 means that the app has answered, unless `app` says otherwise. */
  expected: number | 'closed' | Expected,
  more?: {
    /** A list for several lines of one name. */
    readonly headers?: Readonly<Record<string, string | readonly string[]>>
    readonly body?: string
    /** The visitor's address; 127.0.0.1 by default. */
    readonly from?: string
    /** With the session of a visitor who has signed in at `/`, or at this path. */
    readonly isSignedIn?: true | string
    /** The visitor's certificate, by its name; none by default. */
    readonly certificate?: string
    /** The only version of TLS. */
    readonly tls?: 'TLSv1.2'
  },
]

type Headers = Readonly<Record<string, string | RegExp | undefined>>

export interface Expected {
  readonly status: number
  /** Of the answer, in lower case; undefined for a header that must be missing. */
  readonly headers?: Headers
  readonly body?: string | RegExp
  /** The request at the app; false for none. Several lines of a header are joined with `, `. */
  readonly app?: boolean | { readonly target?: string; readonly headers?: Headers }
  /** A line that the relay has logged since. */
  readonly log?: RegExp
}
