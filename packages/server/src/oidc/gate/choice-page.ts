// The list of an edge's sign-ins, for a visitor to choose from. Plain links: it works by keyboard, and without scripts.
// Pure: no I/O, no clock.

import { escapeHtml } from '@sallyport/protocol'

import type { PageTexts } from '../../texts/page-texts.ts'
import type { Registration } from '../registration/registration.ts'

/** @param wanted the page that the visitor wants */
export function choicePage(
  registrations: readonly Pick<Registration, 'config'>[],
  wanted: string,
  { choose }: PageTexts,
): string {
  const items = registrations.map(({ config }) => {
    const href = `/.sallyport/login?${new URLSearchParams({ auth_id: config.auth_id, return_to: wanted }).toString()}`
    // On a narrow screen, the line breaks before a part of the path, not inside a word.
    const place = escapeHtml(placeOf(config.issuer_url)).replaceAll('/', '/<wbr>')
    const name =
      config.title === undefined
        ? `<bdi>${place}</bdi>`
        : `<bdi>${escapeHtml(config.title)}</bdi> <small>${place}</small>`
    return `<li><a href="${escapeHtml(href)}">${name}</a></li>`
  })
  return `<nav aria-label="${escapeHtml(choose.list)}">\n<ul class="choices">\n${items.join('\n')}\n</ul>\n</nav>`
}

/** Shows the path as well, to distinguish two realms of one host. */
function placeOf(issuerUrl: string): string {
  const { host, pathname } = new URL(issuerUrl)
  return `${host}${pathname.replace(/\/$/, '')}`
}
