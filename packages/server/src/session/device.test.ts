import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { deviceOf } from './device.ts'

describe('deviceOf', () => {
  const cases: [userAgent: string, device: string | undefined][] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140 on Linux'],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0',
      'Edge 141 on Windows',
    ],
    [
      'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36',
      'Chrome 141 on Android',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1',
      'Safari 18 on iPhone',
    ],
    [
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
      'Safari 18 on macOS',
    ],
    ['curl/8.5.0', 'curl/8.5.0'],
    ['\u001b[31mred alert', '[31mred'],
    ['   ', undefined],
    ['☃', undefined],
  ]
  for (const [userAgent, device] of cases) {
    it(`calls ${JSON.stringify(userAgent.slice(0, 40))} ${device}`, () => assert.equal(deviceOf(userAgent), device))
  }
  it('stays short for any input', () => {
    assert.equal(deviceOf('x'.repeat(100_000))?.length, 40)
    assert.equal(deviceOf(undefined), undefined)
  })
})
