// Answers of sign-in that need more than words: an error with a way on for people, the plain error for programs.

import { escapeHtml } from '@sallyport/protocol'

import type { RelayError } from '../../errors.ts'
import type { Exchange, ResponseHeaders } from '../../exchange/exchange.ts'
import { renderPage, type Page } from '../../exchange/page.ts'

export interface WayOn {
  label: string
  /** A path on this host. */
  href: string
}

/** Like Exchange.fail, with a link. Headers of the answer, such as cookies to remove, go with either form. */
export function failWithLink(
  exchange: Exchange,
  error: RelayError,
  { label, href }: WayOn,
  headers: ResponseHeaders = {},
): void {
  const body = `<p>${escapeHtml(error.advice)}</p>\n<p><a href="${escapeHtml(href)}">${escapeHtml(label)}</a></p>`
  failWithPage(exchange, error, { body }, headers)
}

/** Like Exchange.fail, with a page of its own for people. */
export function failWithPage(
  exchange: Exchange,
  error: RelayError,
  page: Omit<Page, 'title'> & { title?: string },
  headers: ResponseHeaders = {},
): void {
  exchange.error = error
  const own = { 'sallyport-error-code': error.publicCode, ...error.headers, ...headers }
  if (exchange.isNavigation) {
    const rendered = renderPage({
      title: error.title,
      ...page,
      footer: `${error.publicCode} · HTTP ${error.status} · answered by the Sallyport relay`,
    })
    return exchange.respond(error.status, { ...rendered.headers, ...own }, rendered.body)
  }
  const problem = {
    type: 'about:blank',
    title: error.title,
    status: error.status,
    detail: error.advice,
    code: error.publicCode,
  }
  exchange.respond(
    error.status,
    {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...own,
    },
    `${JSON.stringify(problem)}\n`,
  )
}
