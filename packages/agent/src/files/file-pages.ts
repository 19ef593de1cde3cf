// The pages that the agent itself writes for a served directory: listings, and the reason why a page cannot be shown.
// Pure: values in, HTML out. No scripts, no outside requests; every name passes through escapeHtml.

import { createHash } from 'node:crypto'

import { PAGE_COLOURS, escapeHtml, renderHtml } from '@sallyport/protocol'

const STYLE = `${PAGE_COLOURS}
* { box-sizing: border-box }
body { margin: 0; padding: clamp(1rem, 4vw, 3rem); background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { max-width: 52rem; margin: 0 auto; padding: clamp(1.25rem, 5vw, 2.5rem); overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: .5rem }
h1 { margin: 0 0 1rem; font-size: 1.375rem; line-height: 1.3; text-wrap: balance }
p { margin: 0 }
.site { margin: 0 0 1rem; color: var(--soft); font-size: .875rem }
.way { margin-top: 1rem; font-weight: 600 }
table { width: 100%; border-collapse: collapse }
th { text-align: left; font-size: .875rem; font-weight: 600; color: var(--soft) }
th, td { padding: .375rem 1rem .375rem 0; border-bottom: 1px solid var(--line); vertical-align: baseline }
td + td, th + th { padding-right: 0; text-align: right; white-space: nowrap; color: var(--soft); font-size: .875rem; font-variant-numeric: tabular-nums }
td + td + td, th + th + th { padding-left: 1rem }
tr:last-child td { border-bottom: 0 }
a { color: var(--accent) }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
@media (max-width: 30rem) { td + td + td, th + th + th { display: none } }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/** All texts of these pages, by language; a further language must have all of them. */
const FILE_PAGE_TEXTS = {
  en: {
    name: 'Name',
    size: 'Size',
    changed: 'Changed (UTC)',
    empty: 'This directory is empty.',
    cut: (count: number): string => `Only the first ${count} entries are shown.`,
    openSite: 'Open this site',
    again: 'Try again',
    notAllowed: { title: 'This method is not allowed', advice: 'Files can be read and nothing else.' },
    notFound: { title: 'There is no such file here', advice: 'Check the address for typing mistakes.' },
    notReadable: { title: 'This file cannot be read', advice: 'Something went wrong with it. Try again later.' },
    directory: { title: 'This is a directory', advice: 'Its address ends in a slash.' },
  },
}

const TEXTS = FILE_PAGE_TEXTS.en
const SITE_MAX_CHARS = 100

export type Notice = 'notAllowed' | 'notFound' | 'notReadable' | 'directory'

/** The headers that keep such a page harmless, whatever names a directory holds. */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'none'; base-uri 'none'`,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
}

export interface ListedEntry {
  name: string
  isDirectory: boolean
  bytes: number
  modified: Date
}

/** The request: shown on every page, and used for links. */
export interface Asked {
  /** The host that the visitor sees. */
  site: string
  /** With query. */
  target: string
}

export interface Listing {
  /** Decoded names from the served directory down to this one. */
  names: readonly string[]
  entries: readonly ListedEntry[]
  /** Whether the directory has more entries than are shown. */
  isCut: boolean
}

export function renderListing({ names, entries, isCut }: Listing, asked: Asked): string {
  const title = `/${names.map((name) => `${name}/`).join('')}`
  const rows = entries.map(renderEntry)
  if (names.length > 0) rows.unshift('<tr><td><a href="../">../</a></td><td></td><td></td></tr>')
  const table =
    rows.length === 0
      ? `<p>${escapeHtml(TEXTS.empty)}</p>`
      : `<table>\n<thead><tr>${[TEXTS.name, TEXTS.size, TEXTS.changed].map((head) => `<th scope="col">${escapeHtml(head)}</th>`).join('')}</tr></thead>\n<tbody>\n${rows.join('\n')}\n</tbody>\n</table>`
  const cut = isCut ? `\n<p>${escapeHtml(TEXTS.cut(entries.length))}</p>` : ''
  return renderPage(title, `${table}${cut}`, asked)
}

export function renderNotice(notice: Notice, asked: Asked): string {
  const { title, advice } = TEXTS[notice]
  // The start page has no other page to lead to. Empty: the page itself, at any address.
  const [href, label] = asked.target === '/' ? ['', TEXTS.again] : ['/', TEXTS.openSite]
  const wayOn = `<p class="way"><a href="${href}">${escapeHtml(label)}</a></p>`
  return renderPage(title, `<p>${escapeHtml(advice)}</p>\n${wayOn}`, asked)
}

function renderEntry({ name, isDirectory, bytes, modified }: ListedEntry): string {
  const slash = isDirectory ? '/' : ''
  // ./ because a name with a colon would otherwise be read as a scheme.
  const link = `<a href="./${escapeHtml(encodeURIComponent(name.toWellFormed()))}${slash}">${escapeHtml(name)}${slash}</a>`
  const changed = modified.toISOString().slice(0, 16).replace('T', ' ')
  return `<tr><td>${link}</td><td>${isDirectory ? '' : formatSize(bytes)}</td><td>${changed}</td></tr>`
}

function renderPage(title: string, body: string, asked: Asked): string {
  const site = asked.site.length > SITE_MAX_CHARS ? `…${asked.site.slice(1 - SITE_MAX_CHARS)}` : asked.site
  return renderHtml({ title, site, above: site && `<p class="site">${escapeHtml(site)}</p>\n`, style: STYLE, body })
}

function formatSize(bytes: number): string {
  let size = bytes
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (size < 1000) return `${size < 10 && unit !== 'B' ? size.toFixed(1) : Math.round(size)} ${unit}`
    size /= 1000
  }
  return `${size.toFixed(1)} TB`
}
