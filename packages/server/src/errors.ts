// Ground floor: the errors of the relay, one table per border. RelayError is what a visitor is told, in the words of texts/;
// its `detail` and `cause` go to the log only. ConfigError is what an operator is told, all at once, as at the agent.

import type { LimitName } from './config/schema/limits-schema.ts'
import { ANSWERS } from './error-codes.ts'
import type { Answer, BrokenCode, BrokenPart, RelayErrorCode } from './error-codes.ts'
import type { PageTexts, Saying } from './texts/page-texts.ts'

export { ConfigError } from '@sallyport/protocol/config-error'
export type { ConfigProblem } from '@sallyport/protocol/config-error'
export type { BrokenCode, BrokenPart, RelayErrorCode } from './error-codes.ts'

/** A link on a page: the next step of whoever sees it. */
export interface WayOn {
  label: Saying
  /** A path on the host of the page; empty for the page itself. */
  href: string
}

/** Where an edge's own start page is somewhere to go. */
export const OPEN_SITE: WayOn = { label: ({ ways }) => ways.openSite, href: '/' }

export interface RelayErrorOptions extends ErrorOptions {
  /** For the log only. */
  detail?: string
  /** The limit that has struck, where it was one. */
  limit?: LimitName
  /** Extra response headers, e.g. `WWW-Authenticate` or `Allow`. */
  headers?: Record<string, string>
  /** Replaces the title that texts/ has for the code; shown to the visitor, escaped. */
  title?: Saying
  /** Replaces the advice; shown to the visitor, escaped. */
  advice?: Saying
  /** Replaces the table's status where the operator chose one. */
  status?: number
  /** Shown to people. */
  wayOn?: WayOn
  /** Who is refused, where that is known beyond doubt; for the log. */
  user?: string
  /** What stands in place of the advice for the operator alone, with a command shown as copyable text: no stranger's business. */
  operator?: { advice: Saying; command?: string }
}

/** What went wrong between visitor and relay. Thrown where known; turned into an answer in one place, `Exchange.fail`. */
export class RelayError extends Error {
  readonly code: RelayErrorCode
  readonly detail: string | undefined
  readonly limit: LimitName | undefined
  readonly headers: Record<string, string> | undefined
  readonly wayOn: WayOn | undefined
  readonly user: string | undefined
  readonly status: number
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

  /** What is said to the visitor: plain language, no inner reason, no secret. */
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

  /** Whether the same request may get through a moment later. */
  get mayPassLater(): boolean {
    const answer: Answer = ANSWERS[this.code]
    return answer.again === true
  }

  /** Whether a person may have more luck with the same page; undefined where that is the last thing to try. */
  get isWorthReloading(): boolean | undefined {
    const answer: Answer = ANSWERS[this.code]
    return answer.again ?? answer.reload
  }

  /** What is broken, and by which word a page says how; undefined where the relay has only said no. */
  get broken(): { code: BrokenCode; part: BrokenPart } | undefined {
    const { broken: part }: Answer = ANSWERS[this.code]
    return part && { code: this.code as BrokenCode, part } // it has just been seen to be one
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
