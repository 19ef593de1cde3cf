// The way of a request as a row of three, "you – relay – app", with a word below each that says whether it works. A
// list, so that it reads well without the picture. Pure.

import { escapeHtml } from '@sallyport/protocol'

import type { BrokenCode, BrokenPart } from '../errors.ts'
import type { PageTexts } from '../texts/page-texts.ts'

type State = 'fine' | 'broken' | 'unknown'

// Check mark and cross as entities: a page of Latin-1 letters alone is several times faster to make and to send.
const MARKS: Record<State, string> = { fine: '&#10003;', broken: '&#10005;', unknown: '?' }

export const PATH_STYLE = `:root { --fine: #1a7537; --broken: #b3261e }
@media (prefers-color-scheme: dark) { :root { --fine: #6ccf8e; --broken: #ff9d94 } }
.path { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); margin: 0 0 1.25rem; padding: 1.25rem .5rem 1rem; list-style: none; text-align: center; background: var(--code); border-radius: .375rem }
.path li { position: relative; padding: 0 .25rem; overflow-wrap: break-word; hyphens: auto }
.path li + li::before { content: ""; position: absolute; top: calc(1rem - 1px); right: calc(50% + 1.375rem); width: calc(100% - 2.75rem); border-top: 2px solid var(--soft) }
.path .cut.cut::before, .path .unknown.unknown::before { border-top-style: dashed }
.path .cut.cut::before { border-top-color: var(--broken) }
.path span { display: block; width: 2rem; height: 2rem; margin: 0 auto .375rem; border: 2px solid; border-radius: 50%; font-weight: 700; line-height: 1.75rem }
.path b, .path small { display: block; line-height: 1.4 }
.path small { font-size: .875rem }
.path .fine span, .path .fine small { color: var(--fine) }
.path .broken span, .path .broken small { color: var(--broken) }
.path .broken span { background: var(--broken); border-color: var(--broken); color: var(--card) }
.path .unknown span, .path .unknown small { color: var(--soft) }
@media (max-width: 26rem) { .path { padding-inline: 0 } .path li { padding: 0 .125rem } .path small { font-size: .8125rem } }
`

/** @param code its word is shown below the broken part */
export function pathHtml(code: BrokenCode, part: BrokenPart, { path }: PageTexts): string {
  const isOfRelay = part === 'relay'
  const end = part === 'provider' ? path.provider : path.app
  const broken = path.broken[code]
  const items = [
    itemHtml(path.you, 'fine', path.fine),
    itemHtml(path.relay, isOfRelay ? 'broken' : 'fine', isOfRelay ? broken : path.fine),
    itemHtml(end, isOfRelay ? 'unknown' : 'broken', isOfRelay ? path.unknown : broken, part === 'tunnel'),
  ]
  // Safari does not treat a list without bullets as a list unless it has this role.
  return `<ol class="path" role="list" aria-label="${escapeHtml(path.label)}">\n${items.join('\n')}\n</ol>`
}

/** @param isCut whether the way to it is broken */
function itemHtml(name: string, state: State, word: string, isCut = false): string {
  const mark = `<span aria-hidden="true">${MARKS[state]}</span>`
  const kind = isCut ? `${state} cut` : state
  return `<li class="${kind}">${mark}<b>${escapeHtml(name)}</b> <small>${escapeHtml(word)}</small></li>`
}
