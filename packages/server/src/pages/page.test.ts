import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../errors.ts'
import type { RelayErrorCode } from '../errors.ts'
import { PAGE_TEXTS } from '../texts/page-texts.ts'
import { errorAnswer } from './error-page.ts'
import type { Frame } from './frame.ts'
import { PLAIN_LOOK } from './look.ts'
import { renderPage } from './page.ts'

const frame: Frame = {
  look: PLAIN_LOOK,
  texts: PAGE_TEXTS.en,
  requestId: 'req_1',
  host: 'docs.example.com',
  hasStart: false,
  toOperator: true,
  address: '192.0.2.7',
}
const EVIL = '"><script>alert(1)</script>'

describe('a page of the relay', () => {
  it('has no scripts, loads nothing, and is in no frame and no cache', () => {
    const error = new RelayError('sign_in_failed', { operator: { advice: () => EVIL, command: EVIL } })
    for (const { headers, body } of [
      errorAnswer(error, frame, { accept: 'text/html' }),
      renderPage({ title: EVIL, body: '<p>hello</p>', footer: EVIL }, { ...frame, host: EVIL, requestId: EVIL }),
    ]) {
      const policy = String(headers['content-security-policy']).split('; ')
      assert.ok(policy.includes("default-src 'none'"))
      assert.ok(policy.includes("frame-ancestors 'none'"))
      assert.ok(policy.includes("form-action 'none'"))
      assert.ok(!policy.some((directive) => /^script|unsafe|https?:|\*/.test(directive)), policy.join('; '))
      assert.equal(headers['cache-control'], 'no-store')
      assert.equal(headers['referrer-policy'], 'no-referrer')
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.doesNotMatch(body, /<script|\son\w+=|src=|href=/i)
    }
  })

  it('draws the broken part, and names it (the first hour, 18)', () => {
    const drawing = (code: RelayErrorCode): string[][] => {
      const { body } = errorAnswer(new RelayError(code), frame, { isNavigation: true })
      const items = body.matchAll(/<li class="([^"]*)">.*?<b>([^<]*)<\/b> <small>([^<]*)<\/small><\/li>/g)
      return [...items].map((item) => item.slice(1))
    }
    const [you, relay] = [
      ['fine', 'You', 'Working'],
      ['fine', 'Relay', 'Working'],
    ]
    assert.deepEqual(drawing('app_down'), [you, relay, ['broken', 'App', 'Not answering']])
    assert.deepEqual(drawing('no_tunnel_online'), [you, relay, ['broken cut', 'App', 'Not connected']])
    assert.deepEqual(drawing('provider_unreachable'), [you, relay, ['broken', 'Sign-in', 'Not answering']])
    const app = ['unknown', 'App', 'Not asked']
    assert.deepEqual(drawing('internal'), [you, ['broken', 'Relay', 'At fault'], app])
    assert.deepEqual(drawing('ip_restricted'), [], 'nothing is broken')
  })

  it('is no page for programs, and is not cached for them either', () => {
    const { headers, body } = errorAnswer(new RelayError('sign_in_failed', { advice: () => EVIL }), frame, {
      accept: '*/*',
    })
    assert.equal(headers['content-type'], 'application/problem+json')
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal((JSON.parse(body) as { detail: string }).detail, EVIL)
  })
})
