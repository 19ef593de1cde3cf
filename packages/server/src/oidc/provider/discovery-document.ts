// Fetches a discovery document: at its address, or at one redirect from there on the same origin. Servers move their
// paths (an added slash, a base path). The redirect adds no risk, because a server that answers for the origin could
// have answered directly.

import type { ProviderFetch } from './provider-fetch.ts'
import { inWords } from './provider-words.ts'

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Sends a request as `fetch` does, and follows one redirect on the same origin. Any other redirect is returned as the
 * answer.
 * @param onRedirect called with the URL that should be written, or set at the provider, instead
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
  return `redirects to ${inWords(`${to.origin}${to.pathname}`)}, and the relay follows only one redirect, on the same origin`
}

function redirectTarget(href: string, response: Response): URL | undefined {
  if (!REDIRECTS.has(response.status)) return undefined
  return URL.parse(response.headers.get('location') ?? '', href) ?? undefined
}

function isWithin(href: string, to: URL): boolean {
  return to.origin === new URL(href).origin && to.username === '' && to.password === ''
}
