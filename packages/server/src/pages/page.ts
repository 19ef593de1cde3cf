// The frame of every page that the relay itself serves: one stylesheet, no scripts, no outside requests.
// Pure: values in, HTML out. Everything that comes from outside passes through escapeHtml.

import { escapeHtml, renderHtml } from '@sallyport/protocol'

import type { WayOn } from '../errors.ts'
import type { PageTexts } from '../texts/page-texts.ts'
import { siteOf, type Frame } from './frame.ts'
import type { Look } from './look.ts'

export interface Page {
  title: string
  /** HTML that is already safe: built from literals and escapeHtml. */
  body: string
  /** Small print, plain text. */
  footer?: string
  /** The target to which a form on the page may post; none by default. */
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
  const { texts, requestId, look } = frame
  const site = siteOf(frame)
  const html = renderHtml({
    lang: texts.lang,
    title,
    site,
    above: siteHtml(site, look),
    style: look.style,
    head: '<meta name="robots" content="noindex">\n',
    body: `${body}\n<footer>${contactHtml(frame)}${footer ? `${escapeHtml(footer)} · ` : ''}${escapeHtml(requestId)}</footer>`,
  })
  return {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        `${look.securityPolicy} form-action ${formAction ?? "'none'"}; ` +
        `frame-ancestors ${framedBy ?? "'none'"}; base-uri 'none'`,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    },
    body: html,
  }
}

/** The site of the page: the operator's title, and the requested host, which nobody can forge. */
function siteHtml(site: string, { brand }: Look): string {
  const host = site && `<span>${escapeHtml(site)}</span>`
  return brand || host ? `<p class="site">${[brand, host].filter((part) => part !== '').join(' ')}</p>\n` : ''
}

/** The contact, before the small print. A mail already names the site and the request. */
function contactHtml(frame: Frame): string {
  const { texts, requestId, look } = frame
  if (!look.contact) return ''
  const { words, href, takesSubject } = look.contact
  const subject = takesSubject ? `?subject=${encodeURIComponent(`${siteOf(frame)} ${requestId}`)}` : ''
  const name = `<bdi>${escapeHtml(words)}</bdi>`
  const link = href === undefined ? name : `<a href="${escapeHtml(`${href}${subject}`)}">${name}</a>`
  return `<p class="contact">${escapeHtml(texts.contact)} ${link}</p>\n`
}

/**
 * A link that looks like a button. It is not a form button, because `form-action` would apply to the redirects after a
 * form, and a sign-in is such a redirect.
 * @param target the frame or tab in which to follow it
 */
export function buttonHtml({ label, href }: WayOn, texts: PageTexts, target?: '_blank' | '_top'): string {
  const where = target === undefined ? '' : ` target="${target}"`
  return `<a class="button" href="${escapeHtml(href)}"${where}>${escapeHtml(label(texts))}</a>`
}

/** A plain link: an alternative to the button. */
export function linkHtml({ label, href }: WayOn, texts: PageTexts): string {
  return `<a href="${escapeHtml(href)}">${escapeHtml(label(texts))}</a>`
}

/** Buttons and links, side by side if there is room. @param ways HTML, in order */
export function waysHtml(...ways: string[]): string {
  return `<div class="ways">\n${ways.join('\n')}\n</div>`
}

/** The facts of the page, by name. @param facts the values are HTML, as safe as a page's body */
export function factsHtml(facts: readonly (readonly [name: string, html: string])[]): string {
  const rows = facts.map(([name, html]) => `<dt>${escapeHtml(name)}</dt><dd>${html}</dd>`)
  return `<dl class="facts">\n${rows.join('\n')}\n</dl>`
}

/** A text with HTML in its places. @param places by name, as safe as a page's body */
export function htmlOf(text: string, places: Readonly<Record<string, string>>): string {
  return escapeHtml(text).replaceAll(/\{(\w+)\}/g, (_, name: string) => places[name] ?? '')
}
