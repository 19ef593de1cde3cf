// Fetches a discovery document: at its address, or at one redirect from there on the same origin. Servers move their
// paths (an added slash, a base path), and a server that answers for the origin could have answered at once.

import type { ProviderFetch } from './provider-fetch.ts'
import { inWords } from './provider-words.ts'

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Asks as `fetch` does, and follows one redirect on the same origin. Any other redirect is the answer.
 * @param onRedirect gets the text to write, or to set at the provider, instead
 */
export function followingOnce(
  fetch: ProviderFetch,
  onRedirect: (redirect: { from: string; to: string }) => void,
): ProviderFetch {
  return async (href, request) => {
    const response = await fetch(href, request)
    const to = redirectTarget(href, response)
    if (!to || !isWithin(href, to)) return response
    onRedirect({ from: href, to: inWords(to.href) ?? '' })
    return fetch(to.href, request)
  }
}

/** One clause for an answer that redirects; undefined for any other. */
export function describeRedirect(href: string, response: Response): string | undefined {
  if (!REDIRECTS.has(response.status)) return undefined
  const to = redirectTarget(href, response)
  if (!to) return 'redirects to nowhere'
  return `redirects to ${inWords(`${to.origin}${to.pathname}`)}, and is followed once and on the same origin only`
}

function redirectTarget(href: string, response: Response): URL | undefined {
  if (!REDIRECTS.has(response.status)) return undefined
  return URL.parse(response.headers.get('location') ?? '', href) ?? undefined
}

function isWithin(href: string, to: URL): boolean {
  return to.origin === new URL(href).origin && to.username === '' && to.password === ''
}
