import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { typedCommand } from './typed-command.ts'

const CLONE = join(import.meta.dirname, '../../../..')
const BIN = join(CLONE, 'node_modules/.bin')

describe('first-hour 25: typedCommand', () => {
  it('is npx in the folder of a clone, also where npx itself has put the commands into PATH', () => {
    const typed = { words: 'npx --no agent', folder: CLONE }
    assert.deepEqual(typedCommand('agent', { PATH: '/usr/bin:/bin' }), typed)
    assert.deepEqual(typedCommand('agent', {}), typed)
    assert.deepEqual(typedCommand('agent', { PATH: `${BIN}:/usr/bin`, npm_command: 'exec' }), typed)
  })

  it('is the plain name where the shell finds it: with the clone in PATH, or installed', () => {
    const typed = { words: 'relay', folder: undefined }
    for (const PATH of [`${BIN}:/usr/bin`, `/usr/bin:${BIN}/`]) assert.deepEqual(typedCommand('relay', { PATH }), typed)
    assert.deepEqual(typedCommand('relay', { PATH: '/usr/bin' }, false), typed)
  })
})
