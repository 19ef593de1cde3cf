// The texts of all pages, by language. A further language is a file beside english.ts and a line here; one that forgets a
// text, or a place in it, does not compile. Pure: no I/O, no clock.

import { ENGLISH } from './english.ts'

export type PageTexts = typeof ENGLISH

export const PAGE_TEXTS = { en: ENGLISH } satisfies Record<string, PageTexts>

/** Says one thing in the language of whoever reads it. */
export type Saying = (texts: PageTexts) => string
