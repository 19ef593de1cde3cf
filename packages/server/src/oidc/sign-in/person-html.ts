// How a page names who is signed in. Pure.

import { escapeHtml } from '@sallyport/protocol'

/** @returns HTML: name and email address, or what the provider calls them where it tells neither */
export function personHtml({
  name,
  email,
  subject,
}: {
  name?: string | undefined
  email?: string | undefined
  subject: string
}): string {
  const named = [name, email].filter((text) => text !== undefined)
  // `bdi`: a name that is written from right to left turns nothing else around.
  return (named.length > 0 ? named : [subject]).map((text) => `<bdi>${escapeHtml(text)}</bdi>`).join(', ')
}
