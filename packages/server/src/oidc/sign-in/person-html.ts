// How a page names the signed-in person. Pure.

import { escapeHtml } from '@sallyport/protocol'

/** @returns HTML: name and email address, or the provider's id of them if it sends neither */
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
  // `bdi`: a name that is written from right to left does not affect the text around it.
  return (named.length > 0 ? named : [subject]).map((text) => `<bdi>${escapeHtml(text)}</bdi>`).join(', ')
}
