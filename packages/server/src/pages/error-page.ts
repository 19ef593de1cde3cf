// The relay's own error answers: HTML for people, a problem document for programs. Pure: an error in, an answer out.
// Inner reasons stay in the log.

import { escapeHtml } from '@sallyport/protocol'

import { OPEN_SITE } from '../errors.ts'
import type { RelayError, WayOn } from '../errors.ts'
import type { Frame } from './frame.ts'
import { buttonHtml, factsHtml, renderPage, waysHtml } from './page.ts'
import { pathHtml } from './path-html.ts'

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** The parts of the request that decide the form of the answer. */
export interface Asker {
  accept?: string | undefined
  /** Sec-Fetch-Dest: a script never gets the page. */
  fetchDestination?: string | undefined
  /** Whether a browser navigates to a page, to which a link can lead again. */
  isNavigation?: boolean
}

// Empty: the page itself, at any address. The page does not show the address.
export const TRY_AGAIN: WayOn = { label: (texts) => texts.ways.again, href: '' }

/** Builds the answer for an error. */
export function errorAnswer(
  error: RelayError,
  frame: Frame,
  { accept, fetchDestination, isNavigation = false }: Asker,
): ErrorAnswer {
  if (!isNavigation && !wantsHtml(accept, fetchDestination)) return problemAnswer(error, frame)
  const body = errorBody(error, frame, error.wayOn ?? wayOnOf(error, frame, isNavigation))
  const page = renderPage({ title: error.titleIn(frame.texts), body, footer: errorFooter(error, frame) }, frame)
  return {
    status: error.status,
    headers: { ...page.headers, ...errorHeaders(error, frame.requestId) },
    body: page.body,
  }
}

/** The text below the heading: advice, facts, and buttons. */
export function errorBody(error: RelayError, frame: Frame, wayOn: WayOn | undefined): string {
  const { texts, toOperator } = frame
  const command = toOperator ? error.command : undefined
  const { broken } = error
  return [
    ...(broken ? [pathHtml(broken.code, broken.part, texts)] : []),
    `<p>${escapeHtml(error.adviceIn(texts, toOperator))}</p>`,
    ...(command ? [`<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>`] : []),
    ...(error.isAboutAddress ? [addressHtml(frame)] : []),
    ...(wayOn ? [waysHtml(buttonHtml(wayOn, texts))] : []),
  ].join('\n')
}

function addressHtml({ texts, address }: Frame): string {
  const { yours, unknown } = texts.address
  return address === undefined ? `<p>${escapeHtml(unknown)}</p>` : factsHtml([[yours, escapeHtml(address)]])
}

/** A button to the same page if that may help, otherwise to the start page of the site. */
function wayOnOf(error: RelayError, { hasStart }: Frame, isNavigation: boolean): WayOn | undefined {
  if (isNavigation && error.isWorthReloading) return TRY_AGAIN
  if (hasStart) return OPEN_SITE
  return isNavigation && error.isWorthReloading !== false ? TRY_AGAIN : undefined
}

/** RFC 9457: a problem document. */
export function problemAnswer(error: RelayError, { texts, requestId, address, toOperator }: Frame): ErrorAnswer {
  const { status, publicCode: code } = error
  const [title, detail] = [error.titleIn(texts), error.adviceIn(texts, toOperator)]
  const command = toOperator ? error.command : undefined
  const problem = {
    type: 'about:blank',
    title,
    status,
    detail,
    code,
    ...(command && { command }),
    ...(error.isAboutAddress && { address }),
    requestId,
  }
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...errorHeaders(error, requestId),
    },
    body: `${JSON.stringify(problem)}\n`,
  }
}

/** The headers of every refusal, even without a body, as for HEAD and gRPC. */
export function errorHeaders({ publicCode, headers }: RelayError, requestId: string): Record<string, string> {
  return { 'sallyport-error-code': publicCode, 'sallyport-request-id': requestId, ...headers }
}

export function errorFooter({ publicCode, status }: RelayError, { texts }: Frame): string {
  return `${publicCode} · HTTP ${status} · ${texts.answeredBy}`
}

/** People's browsers name text/html; programs that accept anything get JSON. */
function wantsHtml(accept: string | undefined, fetchDestination: string | undefined): boolean {
  if (fetchDestination !== undefined && !['document', 'iframe', 'frame'].includes(fetchDestination)) return false
  return /(?:^|[\s,])text\/html/i.test(accept ?? '')
}
