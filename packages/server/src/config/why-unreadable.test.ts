import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'

import { whyUnreadable } from './why-unreadable.ts'

it('first-hour 24: says why a file cannot be read, with its full path and what to do', (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-unreadable-'))
  test.after(() => rmSync(folder, { recursive: true }))
  const at = (name: string): string => join(folder, name)
  const whyOf = (path: string): string => {
    try {
      readFileSync(path)
      return 'it can be read'
    } catch (error) {
      return whyUnreadable(path, error)
    }
  }
  writeFileSync(at('secret.key'), 'x')
  chmodSync(at('secret.key'), 0)
  assert.equal(
    whyOf(at('nope.crt')),
    `there is no such file: ${folder}/nope.crt; correct the path, or put the file there`,
  )
  assert.equal(
    whyOf('nope.crt'),
    `there is no such file: ${process.cwd()}/nope.crt; correct the path, or put the file there`,
  )
  assert.equal(
    whyOf(at('secret.key/x')),
    `there is no such file: ${folder}/secret.key/x; a part of the path is a file, not a folder`,
  )
  assert.equal(whyOf(folder), `${folder} is a folder; name the file in it`)
  // Root may read everything.
  const denied = process.getuid?.() === 0 ? whyUnreadable(at('secret.key'), DENIED) : whyOf(at('secret.key'))
  assert.equal(
    denied,
    `this user may not read ${folder}/secret.key; change the owner or mode of the file, or of a folder above it`,
  )
})

const DENIED = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
