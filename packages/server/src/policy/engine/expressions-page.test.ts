import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { ALL_FUNCTIONS } from './functions/all-functions.ts'

const root = join(import.meta.dirname, '../../../../..')

describe('docs/expressions.md', () => {
  it('agrees with the tables of the engine (traffic policy, the engine)', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-expressions-doc.ts', '--check'], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
  })

  it('describes every function', () => {
    assert.deepEqual(
      ALL_FUNCTIONS.filter(({ about }) => about === '').map(({ signature }) => signature),
      [],
    )
  })
})
