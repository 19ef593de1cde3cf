// The texts of all pages, by language. A further language is a file beside english.ts and a line here; without a text,
// or a place in it, it does not compile. Pure: no I/O, no clock.

import { ENGLISH } from './english.ts'

export type PageTexts = typeof ENGLISH

export const PAGE_TEXTS = { en: ENGLISH } satisfies Record<string, PageTexts>

/** Returns one text in the reader's language. */
export type Saying = (texts: PageTexts) => string
