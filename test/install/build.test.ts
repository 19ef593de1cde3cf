// That packages can be built: a part missing from a bundle or from the agent's types fails here, not on the day of a
// release.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { buildPackage } from '../../scripts/build/build-package.ts'

const root = join(import.meta.dirname, '../..')

describe('the build (the first hour, 1)', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-build-'))
  after(() => rmSync(folder, { recursive: true }))

  it('bundles agent and relay into a few files, with the licenses', async () => {
    for (const [name, entries] of [
      ['agent', ['agent.js', 'main.js', 'sallyport.js', 'types']],
      ['server', ['main.js', 'sqlite-worker.js', 'worker-main.js']],
    ] as const) {
      const dist = join(folder, name)
      await buildPackage(root, name, dist)
      const files = readdirSync(dist)
      for (const entry of [...entries, 'bufferutil', 'require-node.cjs']) assert.ok(files.includes(entry), entry)
      const licenses = readFileSync(join(dist, 'THIRD-PARTY-LICENSES.txt'), 'utf8')
      for (const library of ['bufferutil', 'commander', 'pino', 'ws', 'yaml', 'zod']) {
        assert.match(licenses, new RegExp(`^ {2}${library} \\d+\\.\\d+\\.\\d+ \\(\\w+`, 'm'))
      }
      const { dependencies, optionalDependencies } = JSON.parse(
        readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'),
      ) as Record<string, object | undefined> // our own file
      assert.deepEqual([dependencies, optionalDependencies], [undefined, undefined])
    }
  })
})
