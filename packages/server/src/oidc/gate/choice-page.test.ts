import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { PAGE_TEXTS } from '../../texts/page-texts.ts'
import { choicePage } from './choice-page.ts'
import { configFor } from '../harness.test-support.ts'

describe('choicePage', () => {
  it('breaks a long issuer before the parts of its path, and escapes it', () => {
    const named = configFor('https://login.example.test/realms/staff', { title: '</a><b>' })
    const page = choicePage(
      [{ config: named }, { config: configFor("https://login.example.test/a&b'c/") }],
      '/',
      PAGE_TEXTS.en,
    )
    assert.match(page, /<bdi>&lt;\/a&gt;&lt;b&gt;<\/bdi> <small>login\.example\.test\/<wbr>realms\/<wbr>staff<\/small>/)
    assert.match(page, /<bdi>login\.example\.test\/<wbr>a&amp;b&#39;c<\/bdi>/)
  })
})
