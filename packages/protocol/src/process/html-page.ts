// The frame and the colours of every page that the relay or the agent writes itself: no scripts, no outside requests.
// Pure: values in, HTML out. Everything that comes from outside passes through escapeHtml.

/** For the beginning of a style. */
export const PAGE_COLOURS = `
:root { color-scheme: light dark; --ground: #f6f5f2; --card: #fffefb; --ink: #1f2328; --soft: #59636e; --line: #d9d6cf; --accent: #0b5a4a; --code: #efece4 }
@media (prefers-color-scheme: dark) { :root { --ground: #15181b; --card: #1d2125; --ink: #e8e6e1; --soft: #a3abb3; --line: #343a40; --accent: #6fcdb4; --code: #272c31 } }`

export interface HtmlPage {
  /** Plain text; also the heading. */
  title: string
  /** Plain text: the site's name. Tabs and histories show it after the title. */
  site?: string
  style: string
  /** HTML that is already safe: built from literals and escapeHtml. So is `head`. */
  body: string
  head?: string
  /** The HTML above the heading; as safe as `body`. */
  above?: string
  /** BCP 47. */
  lang?: string
}

export function renderHtml({ title, site, style, body, head = '', above = '', lang = 'en' }: HtmlPage): string {
  return `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${head}<title>${escapeHtml(site ? `${title} · ${site}` : title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${above}<h1>${escapeHtml(title)}</h1>
${body}
</main>
</body>
</html>
`
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}
