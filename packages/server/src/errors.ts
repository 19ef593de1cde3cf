// Ground floor: the errors of the relay, one table per border. RelayError is for a visitor, in the words of texts/; its
// `detail` and `cause` go only to the log. ConfigError is for the operator, with all problems at once, as in the agent.

import type { LimitName } from './config/schema/limits-schema.ts'
import { ANSWERS } from './error-codes.ts'
import type { Answer, BrokenCode, BrokenPart, RelayErrorCode } from './error-codes.ts'
import type { PageTexts, Saying } from './texts/page-texts.ts'

export { ConfigError } from '@sallyport/protocol/config-error'
export type { ConfigProblem } from '@sallyport/protocol/config-error'
export type { BrokenCode, BrokenPart, RelayErrorCode } from './error-codes.ts'

/** A link on a page: the reader's next step. */
export interface WayOn {
  label: Saying
  /** A path on the host of the page; empty for the page itself. */
  href: string
}

/** The link to the start page of an edge, for pages that may offer it. */
export const OPEN_SITE: WayOn = { label: ({ ways }) => ways.openSite, href: '/' }

export interface RelayErrorOptions extends ErrorOptions {
  /** For the log only. */
  detail?: string
  /** The limit that has refused it, if any. */
  limit?: LimitName
  /** Extra response headers, e.g. `WWW-Authenticate` or `Allow`. */
  headers?: Record<string, string>
  /** Replaces the title that texts/ has for the code; shown to the visitor, escaped. */
  title?: Saying
  /** Replaces the advice; shown to the visitor, escaped. */
  advice?: Saying
  /** Replaces the table's status if the operator chose one. */
  status?: number
  /** Shown to people. */
  wayOn?: WayOn
  /** The refused visitor, if known for certain; for the log. */
  user?: string
  /** Replaces the advice for the operator alone, with a command as copyable text. */
  operator?: { advice: Saying; command?: string }
}

/**
 * An error between visitor and relay. The code that finds it throws it; one place, `Exchange.fail`, turns it into an
 * answer.
 */
export class RelayError extends Error {
  readonly code: RelayErrorCode
  readonly detail: string | undefined
  readonly limit: LimitName | undefined
  readonly headers: Record<string, string> | undefined
  readonly wayOn: WayOn | undefined
  readonly user: string | undefined
  readonly status: number
  /** Whether no app can have got anything of the request, and none of its body was read: another way may still be tried. */
  isUnsent = false
  readonly #title: Saying | undefined
  readonly #advice: Saying | undefined
  readonly #operator: RelayErrorOptions['operator']

  constructor(code: RelayErrorCode, options: RelayErrorOptions = {}) {
    super(options.detail ? `${code}: ${options.detail}` : code, options)
    this.name = 'RelayError'
    this.code = code
    this.detail = options.detail
    this.limit = options.limit
    this.headers = options.headers
    this.#title = options.title
    this.#advice = options.advice
    this.#operator = options.operator
    this.wayOn = options.wayOn
    this.user = options.user
    this.status = options.status ?? ANSWERS[code].status
  }

  /** The text for the visitor: plain language, no inner reason, no secret. */
  titleIn(texts: PageTexts): string {
    return this.#title?.(texts) ?? texts.errors[this.code].title
  }

  adviceIn(texts: PageTexts, toOperator = false): string {
    const ofCode = texts.errors[this.code]
    if (toOperator && this.#operator) return this.#operator.advice(texts)
    return this.#advice?.(texts) ?? (toOperator ? ofCode.operator : undefined) ?? ofCode.advice
  }

  /** For the operator. */
  get command(): string | undefined {
    return this.#operator?.command
  }

  /**
   * Whether the page offers its own address again: first (true), never (false), or only without another link
   * (undefined).
   */
  get isWorthReloading(): boolean | undefined {
    const answer: Answer = ANSWERS[this.code]
    return answer.again ?? answer.reload
  }

  /** The broken part, and the word for it on a page; undefined if the relay has only refused. */
  get broken(): { code: BrokenCode; part: BrokenPart } | undefined {
    const { broken: part }: Answer = ANSWERS[this.code]
    return part && { code: this.code as BrokenCode, part } // just checked
  }

  get isAboutAddress(): boolean {
    const answer: Answer = ANSWERS[this.code]
    return answer.address === true
  }

  /** The value of `Sallyport-Error-Code`, e.g. `ERR_EDGE_NOT_FOUND`. */
  get publicCode(): string {
    return `ERR_${this.code.toUpperCase()}`
  }
}
