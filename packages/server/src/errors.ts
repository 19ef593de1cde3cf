// Ground floor: the errors of the relay, one table per border. RelayError is what a visitor is told;
// its `detail` and `cause` go to the log only. ConfigError is what an operator is told, all at once, as at the agent.

import type { LimitName } from './config/config.ts'

export { ConfigError } from '@sallyport/protocol/config-error'
export type { ConfigProblem } from '@sallyport/protocol/config-error'

interface Answer {
  status: number
  /** Said to the visitor: plain language, no inner reason, no secret. */
  title: string
  advice: string
  /** Whether to ask once more may help: people get a link that does. */
  again?: true
}

/** A link on a page: the next step of whoever sees it. */
export interface WayOn {
  label: string
  /** A path on the host of the page; empty for the page itself. */
  href: string
}

const ANSWERS = {
  bad_request: {
    status: 400,
    title: 'This request is not valid',
    advice:
      'The request did not follow the rules of HTTP and went no further. Go back, and tell the owner of this site where you came from.',
  },
  path_ambiguous: {
    status: 400,
    title: 'This address can be read in two ways',
    advice:
      'The path contains encoded separators or dot segments that would lead to different places. Use the plain form.',
  },
  sign_in_required: {
    status: 401,
    title: 'Sign-in needed',
    advice: 'Open this address in a browser and sign in first.',
  },
  sign_in_failed: {
    status: 400,
    title: 'Sign-in did not work',
    advice: 'Open the page that you wanted, and try again.',
  },
  sign_in_expired: {
    status: 400,
    title: 'This sign-in is over',
    advice: 'It was begun more than 15 minutes ago, or in another browser, or has had its answer already.',
  },
  credentials_required: {
    status: 401,
    title: 'A password or a token is needed',
    advice:
      'This address is open to those who send one in the Authorization header. Ask the owner of this site for one.',
  },
  credentials_refused: {
    status: 401,
    title: 'This password or token is not accepted',
    advice:
      'It is wrong, has expired, was revoked, or was made for another site. Ask the owner of this site for a new one.',
  },
  credentials_insufficient: {
    status: 403,
    title: 'This token is not enough',
    advice: 'It is valid, but does not allow what was asked for. Ask the owner of this site for one that does.',
  },
  not_allowed: {
    status: 403,
    title: 'You are signed in, but not allowed here',
    advice: 'Ask the owner of this site for access, or sign in with another account.',
  },
  ip_restricted: {
    status: 403,
    title: 'Not allowed from your network',
    advice:
      'This site accepts visitors from certain addresses only. Try from another network, or ask the owner of this site.',
  },
  denied: {
    status: 403,
    title: 'Not allowed',
    advice: 'The owner of this site has closed this address. Ask them if you need it.',
  },
  origin_refused: {
    status: 403,
    title: 'Not allowed from another site',
    advice: 'It was started by a page of another site. Open this site itself, and start from there.',
  },
  edge_not_found: {
    status: 404,
    title: 'Nothing is served at this address',
    advice: 'Check the address for typing mistakes.',
  },
  route_not_found: {
    status: 404,
    title: 'There is no such page here',
    advice: 'No route of this site covers the path you asked for. Check the address for typing mistakes.',
  },
  page_not_found: {
    status: 404,
    title: 'There is no such page here',
    advice: 'Check the address for typing mistakes.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This method is not allowed',
    advice: 'The request method is not accepted at this address. Go back, and open the address as a link.',
  },
  request_timeout: { status: 408, title: 'The request took too long', advice: 'Send it again.', again: true },
  headers_too_large: {
    status: 431,
    title: 'The request headers are too large',
    advice: 'Clearing the cookies of this site often helps.',
  },
  too_many_connections: {
    status: 429,
    title: 'Too many connections from your network',
    advice: 'Close some pages or programs that are connected to this site, and try again in a moment.',
    again: true,
  },
  too_many_requests: { status: 429, title: 'Too many attempts', advice: 'Wait a minute and try again.', again: true },
  internal: {
    status: 500,
    title: 'Something went wrong in the relay',
    advice: 'The operator finds the reason in the relay’s log.',
    again: true,
  },
  coding_unsupported: {
    status: 501,
    title: 'This transfer coding is not supported',
    advice: 'Only chunked transfer coding is accepted.',
  },
  upgrade_unsupported: {
    status: 501,
    title: 'This app takes no WebSockets',
    advice: 'Its tunnel speaks HTTP/2 with the app. WebSockets need a tunnel without --upstream-protocol http2.',
  },
  app_down: {
    status: 502,
    title: 'The app is not answering',
    advice:
      'The tunnel is online, but the app behind it refused the connection. Start the app, or check the address that the agent forwards to.',
    again: true,
  },
  app_bad_answer: {
    status: 502,
    title: 'The app gave an answer that cannot be passed on',
    advice: 'Its answer did not follow the rules of HTTP.',
    again: true,
  },
  tunnel_lost: {
    status: 502,
    title: 'The tunnel was lost',
    advice: 'The connection to the app ended before it answered. It may or may not have acted on the request.',
    again: true,
  },
  provider_unreachable: {
    status: 502,
    title: 'The sign-in service cannot be reached',
    advice: 'The identity provider of this site did not answer properly. Try again in a moment.',
    again: true,
  },
  no_tunnel_online: {
    status: 503,
    title: 'No tunnel is online',
    advice: 'This address is set up, but no agent is connected for it.',
    again: true,
  },
  relay_full: {
    status: 503,
    title: 'Too many visitors at the moment',
    advice: 'The relay has as many connections as it may have. Try again in a moment.',
    again: true,
  },
  tunnel_full: {
    status: 503,
    title: 'Too many requests are under way',
    advice: 'The tunnel to the app carries as many as it may at once. Try again in a moment.',
    again: true,
  },
  store_unavailable: {
    status: 503,
    title: 'Sign-in is not possible at the moment',
    advice: 'The relay cannot save new sign-ins right now. Try again in a moment.',
    again: true,
  },
  app_timeout: {
    status: 504,
    title: 'The app took too long',
    advice: 'It accepted the request and did not answer in time.',
    again: true,
  },
  loop_detected: {
    status: 508,
    title: 'This address leads back to itself',
    advice:
      'The app behind this address has sent the request to this relay again, several times. Check where it leads.',
  },
} as const satisfies Record<string, Answer>

export type RelayErrorCode = keyof typeof ANSWERS

export interface RelayErrorOptions extends ErrorOptions {
  /** For the log only. */
  detail?: string
  /** The limit that has struck, where it was one. */
  limit?: LimitName
  /** Extra response headers, e.g. `WWW-Authenticate` or `Allow`. */
  headers?: Record<string, string>
  /** Replaces the table's title; shown to the visitor, escaped. */
  title?: string
  /** Replaces the table's advice; shown to the visitor, escaped. */
  advice?: string
  /** Replaces the table's status where the operator chose one. */
  status?: number
  /** Shown to people. */
  wayOn?: WayOn
  /** Who is refused, where that is known beyond doubt; for the log. */
  user?: string
  /** A command for the visitor who is also the owner, shown as copyable text. */
  command?: string
}

/** What went wrong between visitor and relay. Thrown where known; turned into an answer in one place, `Exchange.fail`. */
export class RelayError extends Error {
  readonly code: RelayErrorCode
  readonly detail: string | undefined
  readonly limit: LimitName | undefined
  readonly headers: Record<string, string> | undefined
  readonly title: string
  readonly advice: string
  readonly command: string | undefined
  readonly wayOn: WayOn | undefined
  readonly user: string | undefined
  readonly status: number

  constructor(code: RelayErrorCode, options: RelayErrorOptions = {}) {
    super(options.detail ? `${code}: ${options.detail}` : code, options)
    this.name = 'RelayError'
    this.code = code
    this.detail = options.detail
    this.limit = options.limit
    this.headers = options.headers
    this.title = options.title ?? ANSWERS[code].title
    this.advice = options.advice ?? ANSWERS[code].advice
    this.command = options.command
    this.wayOn = options.wayOn
    this.user = options.user
    this.status = options.status ?? ANSWERS[code].status
  }

  /** Whether the same request may get through a moment later. */
  get mayPassLater(): boolean {
    const answer: Answer = ANSWERS[this.code]
    return answer.again === true
  }

  /** The value of `Sallyport-Error-Code`, e.g. `ERR_EDGE_NOT_FOUND`. */
  get publicCode(): string {
    return `ERR_${this.code.toUpperCase()}`
  }
}
