// What a visitor sees when the relay itself has to say no: HTML for people, a problem document for programs.
// Pure: an error in, an answer out. Inner reasons stay in the log.

import { escapeHtml } from '@sallyport/protocol'

import type { RelayError, WayOn } from '../errors.ts'
import type { PageTexts } from '../texts/page-texts.ts'
import { renderPage, wayOnHtml } from './page.ts'

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** What of the request decides how the answer looks. */
export interface Asker {
  /** What it is answered in. */
  texts: PageTexts
  accept?: string | undefined
  /** Sec-Fetch-Dest: a script never gets the page. */
  fetchDestination?: string | undefined
  /** Whether a browser goes to a page of its own, that a link can lead to once more. */
  isNavigation?: boolean
}

// Empty: the page itself, whatever its address is. That stands nowhere on it.
const TRY_AGAIN: WayOn = { label: (texts) => texts.ways.again, href: '' }

/** Builds the answer for an error. */
export function errorAnswer(
  error: RelayError,
  requestId: string,
  { texts, accept, fetchDestination, isNavigation = false }: Asker,
): ErrorAnswer {
  const { status, command } = error
  if (isNavigation || wantsHtml(accept, fetchDestination)) {
    const commandHtml = command ? `\n<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>` : ''
    const wayOn = error.wayOn ?? (isNavigation && error.mayPassLater ? TRY_AGAIN : undefined)
    const wayOnLine = wayOn ? `\n${wayOnHtml(wayOn, texts)}` : ''
    const page = renderPage({
      texts,
      title: error.titleIn(texts),
      body: `<p>${escapeHtml(error.adviceIn(texts))}</p>${commandHtml}${wayOnLine}`,
      footer: errorFooter(error, texts),
      requestId,
    })
    return { status, headers: { ...page.headers, ...errorHeaders(error, requestId) }, body: page.body }
  }
  return problemAnswer(error, requestId, texts)
}

/** RFC 9457: a problem document. */
export function problemAnswer(error: RelayError, requestId: string, texts: PageTexts): ErrorAnswer {
  const { status, publicCode: code, command } = error
  const [title, detail] = [error.titleIn(texts), error.adviceIn(texts)]
  const problem = { type: 'about:blank', title, status, detail, code, ...(command && { command }), requestId }
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

/** What stands in the head of every refusal, whatever its body is: HEAD and gRPC have none. */
export function errorHeaders({ publicCode, headers }: RelayError, requestId: string): Record<string, string> {
  return { 'sallyport-error-code': publicCode, 'sallyport-request-id': requestId, ...headers }
}

export function errorFooter({ publicCode, status }: RelayError, { answeredBy }: PageTexts): string {
  return `${publicCode} · HTTP ${status} · ${answeredBy}`
}

/** People's browsers name text/html; programs that accept anything get JSON. */
function wantsHtml(accept: string | undefined, fetchDestination: string | undefined): boolean {
  if (fetchDestination !== undefined && !['document', 'iframe', 'frame'].includes(fetchDestination)) return false
  return /(?:^|[\s,])text\/html/i.test(accept ?? '')
}
