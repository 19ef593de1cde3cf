// What a visitor sees when the relay itself has to say no: HTML for people, a problem document for programs.
// Pure: an error in, an answer out. Inner reasons stay in the log.

import { escapeHtml } from '@sallyport/protocol'

import type { RelayError, WayOn } from '../errors.ts'
import { renderPage, wayOnHtml } from './page.ts'

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** What of the request decides how the answer looks. */
export interface Asker {
  accept?: string | undefined
  /** Sec-Fetch-Dest: a script never gets the page. */
  fetchDestination?: string | undefined
  /** Whether a browser goes to a page of its own, that a link can lead to once more. */
  isNavigation?: boolean
}

// Empty: the page itself, whatever its address is. That stands nowhere on it.
const TRY_AGAIN: WayOn = { label: 'Try again', href: '' }

/** Builds the answer for an error. */
export function errorAnswer(error: RelayError, { accept, fetchDestination, isNavigation = false }: Asker): ErrorAnswer {
  const { status, publicCode, title, advice, command } = error
  const own = { 'sallyport-error-code': publicCode, ...error.headers }
  if (isNavigation || wantsHtml(accept, fetchDestination)) {
    const commandHtml = command ? `\n<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>` : ''
    const wayOn = error.wayOn ?? (isNavigation && error.mayPassLater ? TRY_AGAIN : undefined)
    const wayOnLine = wayOn ? `\n${wayOnHtml(wayOn)}` : ''
    const page = renderPage({
      title,
      body: `<p>${escapeHtml(advice)}</p>${commandHtml}${wayOnLine}`,
      footer: `${publicCode} · HTTP ${status} · answered by the Sallyport relay`,
    })
    return { status, headers: { ...page.headers, ...own }, body: page.body }
  }
  // RFC 9457: a problem document.
  const problem = { type: 'about:blank', title, status, detail: advice, code: publicCode, ...(command && { command }) }
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...own,
    },
    body: `${JSON.stringify(problem)}\n`,
  }
}

/** People's browsers name text/html; programs that accept anything get JSON. */
function wantsHtml(accept: string | undefined, fetchDestination: string | undefined): boolean {
  if (fetchDestination !== undefined && !['document', 'iframe', 'frame'].includes(fetchDestination)) return false
  return /(?:^|[\s,])text\/html/i.test(accept ?? '')
}
