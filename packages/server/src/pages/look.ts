// The look of the relay's own pages for one edge, or outside edges: everything that can be made once is made when the
// edge is built, because strangers may request such pages as often as they like. Pure.

import { createHash } from 'node:crypto'

import { escapeHtml } from '@sallyport/protocol'

import type { PageDetails, PagesConfig } from '../model/schema/pages-schema.ts'
import { readableAccent } from './accent.ts'
import { STYLE } from './style.ts'

export interface Look {
  /** The people who see the operator's details: labels, commands, counts. */
  readonly details: PageDetails
  readonly style: string
  /** The part of the Content-Security-Policy that does not depend on the page. */
  readonly securityPolicy: string
  /** Logo and title before the host, as HTML. */
  readonly brand: string
  readonly contact: Contact | undefined
}

export interface Contact {
  words: string
  /** Its link, if any. */
  href: string | undefined
  /** Whether a page may add the subject of the mail. */
  takesSubject: boolean
}

/** @param logo a `data:` URL */
export function makeLook({ accent, title, contact }: PagesConfig, details: PageDetails, logo?: string): Look {
  const style = accent === undefined ? STYLE : `${STYLE}${accentStyle(accent)}`
  const styleHash = createHash('sha256').update(style).digest('base64')
  const pictures = logo === undefined ? '' : ' img-src data:;'
  const brand = [
    ...(logo === undefined ? [] : [`<img src="${escapeHtml(logo)}" alt="">`]),
    ...(title === undefined ? [] : [`<b><bdi>${escapeHtml(title)}</bdi></b>`]),
  ]
  return {
    details,
    style,
    securityPolicy: `default-src 'none'; style-src 'sha256-${styleHash}';${pictures}`,
    brand: brand.join(' '),
    contact: contact === undefined ? undefined : contactOf(contact),
  }
}

/** Without any configuration. */
export const PLAIN_LOOK: Look = makeLook({}, 'local')

function accentStyle(accent: string): string {
  const { light, dark } = readableAccent(accent)
  return `:root { --accent: ${light} }\n@media (prefers-color-scheme: dark) { :root { --accent: ${dark} } }\n`
}

function contactOf(written: string): Contact {
  const [, mailbox] = /^mailto:([^?]*)/i.exec(written) ?? []
  if (mailbox !== undefined) return { words: mailbox, href: written, takesSubject: !written.includes('?') }
  if (!/^https:/i.test(written)) return { words: written, href: undefined, takesSubject: false }
  return { words: written.slice('https://'.length).replace(/\/$/, ''), href: written, takesSubject: false }
}
