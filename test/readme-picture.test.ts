// The picture of the README can be made anew: `npm run test:long` makes it, into a folder of its own.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

const root = join(import.meta.dirname, '..')
const IN_SHORT = process.env.SALLYPORT_README_PICTURE === undefined && 'made by npm run test:long'

describe('first-hour 14: the picture of the README', { timeout: 120_000 }, () => {
  it('is made by its script, light and dark, from real output of the programs', { skip: IN_SHORT }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-picture-'))
    try {
      const words = [join(root, 'scripts/make-readme-picture.ts'), folder]
      const { stdout } = await promisify(execFile)(process.execPath, words)
      assert.match(stdout, /online[^]*https:\/\/docs\.example\.com -> http:\/\/localhost:\d+/)
      const [light, dark] = await Promise.all(
        ['light', 'dark'].map((scheme) => readFile(join(folder, `readme-${scheme}.png`))),
      )
      assert.ok(light && dark && !light.equals(dark))
      for (const picture of [light, dark]) {
        assert.ok(picture.readUInt32BE(16) > 2000, 'wide enough for screens with two points in one')
        assert.ok(picture.length > 50_000 && picture.length < 600_000, `${picture.length} bytes`)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
