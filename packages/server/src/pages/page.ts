// The look of every page the relay itself serves: one stylesheet, no scripts, no outside requests.
// Pure: values in, HTML out. Everything that comes from outside passes through escapeHtml.

import { createHash } from 'node:crypto'

import { PAGE_COLOURS, escapeHtml, renderHtml } from '@sallyport/protocol'

import type { WayOn } from '../errors.ts'
import type { PageTexts } from '../texts/page-texts.ts'
import { siteOf, type Frame } from './frame.ts'
import { PATH_STYLE } from './path-html.ts'

const STYLE = `${PAGE_COLOURS}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; grid-template-columns: minmax(0, 36rem); place-content: center; padding: clamp(1rem, 4vw, 1.5rem); background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { padding: clamp(1.25rem, 6vw, 2.5rem); overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: .5rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.3; text-wrap: balance }
.site { margin: 0 0 1.25rem; color: var(--soft); font-size: .875rem }
p { margin: 0 0 1rem }
pre { margin: 0 0 1rem; padding: .75rem 1rem; white-space: pre-wrap; background: var(--code); border-radius: .375rem; font: .875rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
a { color: var(--accent) }
a:focus-visible, button:focus-visible, pre:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
button, .button { display: inline-block; padding: .6rem 1.25rem; border: 0; border-radius: .375rem; background: var(--accent); color: var(--card); font: inherit; font-weight: 600; text-decoration: none; cursor: pointer }
.ways { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; margin-top: 1.5rem }
.ways > * { margin: 0 }
.facts { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: .25rem 1rem; margin: 0 0 1rem; padding: .75rem 1rem; background: var(--code); border-radius: .375rem }
.facts dt { color: var(--soft) }
.facts dd { margin: 0; font-weight: 600 }
@media (max-width: 26rem) { .facts { grid-template-columns: minmax(0, 1fr); gap: 0 } }
.choices { margin: 0; padding: 0; list-style: none; display: grid; gap: .75rem }
.choices a { display: block; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .375rem; font-weight: 600; text-decoration: none }
.choices a:hover { border-color: var(--accent) }
.choices small { display: block; color: var(--soft); font-size: .875rem; font-weight: 400 }
${PATH_STYLE}footer { margin-top: 1.75rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .875rem }
`

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

export interface Page {
  title: string
  /** HTML that is already safe: built from literals and escapeHtml. */
  body: string
  /** Small print, plain text. */
  footer?: string
  /** Where a form on the page may post to; none by default. */
  formAction?: "'self'"
  /** Which pages may show it in a frame; none by default. */
  framedBy?: "'self'"
}

export interface RenderedPage {
  headers: Record<string, string>
  body: string
}

/** Renders a whole page with the headers that keep it harmless: no scripts, no framing, no caching, no referrer. */
export function renderPage({ title, body, footer, formAction, framedBy }: Page, frame: Frame): RenderedPage {
  const { texts, requestId } = frame
  const site = siteOf(frame)
  const html = renderHtml({
    lang: texts.lang,
    title,
    site,
    above: site && `<p class="site">${escapeHtml(site)}</p>\n`,
    style: STYLE,
    head: '<meta name="robots" content="noindex">\n',
    body: `${body}\n<footer>${footer ? `${escapeHtml(footer)} · ` : ''}${escapeHtml(requestId)}</footer>`,
  })
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action ${formAction ?? "'none'"}; ` +
        `frame-ancestors ${framedBy ?? "'none'"}; base-uri 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
    body: html,
  }
}

/**
 * A link that looks like the button it is to people. It is none to browsers: `form-action` would hold for the redirects
 * behind a form, and a sign-in is one.
 * @param target the frame or tab in which to follow it
 */
export function buttonHtml({ label, href }: WayOn, texts: PageTexts, target?: '_blank' | '_top'): string {
  const where = target === undefined ? '' : ` target="${target}"`
  return `<a class="button" href="${escapeHtml(href)}"${where}>${escapeHtml(label(texts))}</a>`
}

/** A plain link: what may be done beside the button. */
export function linkHtml({ label, href }: WayOn, texts: PageTexts): string {
  return `<a href="${escapeHtml(href)}">${escapeHtml(label(texts))}</a>`
}

/** The ways on, side by side where there is room. @param ways HTML, the first one first */
export function waysHtml(...ways: string[]): string {
  return `<div class="ways">\n${ways.join('\n')}\n</div>`
}

/** What the page is about, name by name. @param facts the values are HTML, as safe as a page's body */
export function factsHtml(facts: readonly (readonly [name: string, html: string])[]): string {
  const rows = facts.map(([name, html]) => `<dt>${escapeHtml(name)}</dt><dd>${html}</dd>`)
  return `<dl class="facts">\n${rows.join('\n')}\n</dl>`
}

/** A text with HTML in its places. @param places by name, as safe as a page's body */
export function htmlOf(text: string, places: Readonly<Record<string, string>>): string {
  return escapeHtml(text).replaceAll(/\{(\w+)\}/g, (_, name: string) => places[name] ?? '')
}
