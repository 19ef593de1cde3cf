// Error answers of sign-in: people get a page with a button, and programs get the plain error.

import type { RelayError, WayOn } from '../../errors.ts'
import { errorBody, errorFooter, errorHeaders, problemAnswer } from '../../pages/error-page.ts'
import type { Exchange, ResponseHeaders } from '../../exchange/exchange.ts'
import { renderPage, type Page } from '../../pages/page.ts'
import type { Registration } from '../registration/registration.ts'

/** The path at which a new sign-in begins. */
export function logInPath(
  { config }: Pick<Registration, 'config'>,
  returnTo: string,
  more: Readonly<Record<string, string>> = {},
): string {
  return `/.sallyport/login?${new URLSearchParams({ auth_id: config.auth_id, return_to: returnTo, ...more }).toString()}`
}

/** Like Exchange.fail, with a link. Both forms have the headers of the answer, such as cookies to remove. */
export function failWithLink(exchange: Exchange, error: RelayError, wayOn: WayOn, headers: ResponseHeaders = {}): void {
  failWithPage(exchange, error, { body: errorBody(error, exchange.frame, wayOn) }, headers)
}

type PageOfError = Omit<Page, 'title'> & { title?: string }

/** Like Exchange.fail, with a page of its own for people. */
export function failWithPage(
  exchange: Exchange,
  error: RelayError,
  page: PageOfError,
  headers: ResponseHeaders = {},
): void {
  if (exchange.isNavigation) return showErrorPage(exchange, error, page, headers)
  exchange.error = error
  exchange.knownUser ??= error.user
  const answer = problemAnswer(error, exchange.frame)
  exchange.respond(answer.status, { ...answer.headers, ...headers }, answer.body)
}

/** The page only, for a request that is known to come from a person. */
export function showErrorPage(
  exchange: Exchange,
  error: RelayError,
  page: PageOfError,
  headers: ResponseHeaders = {},
): void {
  exchange.error = error
  exchange.knownUser ??= error.user
  const { frame } = exchange
  const rendered = renderPage({ title: error.titleIn(frame.texts), footer: errorFooter(error, frame), ...page }, frame)
  const own = errorHeaders(error, frame.requestId)
  exchange.respond(error.status, { ...rendered.headers, ...own, ...headers }, rendered.body)
}
