// The one stylesheet of the relay's own pages. Their Content-Security-Policy has its hash.

import { PAGE_COLOURS } from '@sallyport/protocol'

import { PATH_STYLE } from './path-html.ts'

export const STYLE = `${PAGE_COLOURS}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; grid-template-columns: minmax(0, 36rem); place-content: center; padding: clamp(1rem, 4vw, 1.5rem); background: var(--ground); color: var(--ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { padding: clamp(1.25rem, 6vw, 2.5rem); overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--line); border-top: 4px solid var(--accent); border-radius: .5rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.3; text-wrap: balance }
.site { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: center; margin: 0 0 1.25rem; color: var(--soft); font-size: .875rem }
.site b { color: var(--ink) }
.site img { display: block; height: 2rem; max-width: 100%; object-fit: contain }
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
.contact { margin: 0 0 .5rem; color: var(--ink) }
`
