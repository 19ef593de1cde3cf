import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { PAGE_TEXTS } from './page-texts.ts'
import type { PageTexts } from './page-texts.ts'

const { ways, ...forgetful } = PAGE_TEXTS.en

// @ts-expect-error a language that forgets texts does not compile
const withoutWays: PageTexts = forgetful
const withoutPlace: PageTexts = {
  ...PAGE_TEXTS.en,
  // @ts-expect-error nor does one that leaves no place for the name
  notAllowed: { ...PAGE_TEXTS.en.notAllowed, signedInAs: 'Du bist angemeldet.' },
}

describe('the texts of the pages (the first hour, 18)', () => {
  it('are one table that another language must have complete', () => {
    // `npm run check` verifies the two lines above.
    assert.ok(!('ways' in withoutWays) && 'again' in ways)
    assert.ok(withoutPlace.lang === 'en')
  })
})
