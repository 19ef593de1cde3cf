import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { makeFolder } from './make-folder.ts'

describe('making a folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'sallyport-folder-'))
  after(() => rmSync(root, { recursive: true }))

  it('makes missing folders for the owner only, and accepts existing ones', () => {
    const path = join(root, 'a', 'b', 'c')
    makeFolder(path)
    makeFolder(path)
    assert.equal(statSync(path).mode & 0o777, 0o700)
    assert.equal(statSync(join(root, 'a')).mode & 0o777, 0o700)
  })

  it('says so if a file is in the way', () => {
    writeFileSync(join(root, 'file'), '')
    assert.throws(() => makeFolder(join(root, 'file', 'b')), { code: 'ENOTDIR' })
  })

  it('wrong 7: ends if no folder can be made', { skip: !existsSync('/proc/self') }, () => {
    assert.throws(() => makeFolder('/proc/nope/deep'), { code: 'ENOENT' })
  })
})
