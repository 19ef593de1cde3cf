// What a visitor sees when the relay itself has to say no: HTML for people, a problem document for programs.
// Pure: an error in, an answer out. Inner reasons stay in the log.

import { escapeHtml } from '@sallyport/protocol'

import type { RelayError } from '../errors.ts'
import { renderPage } from './page.ts'

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/**
 * Builds the answer for an error.
 * @param accept the visitor's Accept header
 * @param fetchDestination the visitor's Sec-Fetch-Dest header: a script never gets the page
 */
export function errorAnswer(error: RelayError, accept: string | undefined, fetchDestination?: string): ErrorAnswer {
  const { status, publicCode, title, advice, command } = error
  const own = { 'sallyport-error-code': publicCode, ...error.headers }
  if (wantsHtml(accept, fetchDestination)) {
    const commandHtml = command ? `\n<pre tabindex="0"><code>${escapeHtml(command)}</code></pre>` : ''
    const page = renderPage({
      title,
      body: `<p>${escapeHtml(advice)}</p>${commandHtml}`,
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
