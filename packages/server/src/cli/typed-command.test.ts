import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { typedCommand } from './typed-command.ts'

const CLONE = join(import.meta.dirname, '../../../..')
const BIN = join(CLONE, 'node_modules/.bin')

describe('first-hour 25: typedCommand', () => {
  it('is npx in the folder of a clone, even if npx itself has put the commands into PATH', () => {
    const typed = { words: 'npx --no agent', folder: CLONE }
    assert.deepEqual(typedCommand('agent', { PATH: '/usr/bin:/bin' }), typed)
    assert.deepEqual(typedCommand('agent', {}), typed)
    assert.deepEqual(typedCommand('agent', { PATH: `${BIN}:/usr/bin`, npm_command: 'exec' }), typed)
  })

  it('is the plain name if the shell finds it: with the clone in PATH, or installed', () => {
    const typed = { words: 'relay', folder: undefined }
    for (const PATH of [`${BIN}:/usr/bin`, `/usr/bin:${BIN}/`]) assert.deepEqual(typedCommand('relay', { PATH }), typed)
    assert.deepEqual(typedCommand('relay', { PATH: '/usr/bin' }, { isClone: false }), typed)
  })

  it('is the package manager’s form in the folder of its installation, if that started it (the first hour, 1)', () => {
    const env = {
      PATH: '/srv/app/node_modules/.bin:/usr/bin',
      npm_command: 'exec',
      npm_config_local_prefix: '/srv/app',
    }
    assert.deepEqual(typedCommand('relay', env, { isClone: false }), { words: 'npx --no relay', folder: '/srv/app' })
    const yarn = { npm_config_user_agent: 'yarn/4.18.1 npm/? node/v24.21.0 linux x64', PROJECT_CWD: '/srv/app' }
    assert.deepEqual(typedCommand('agent', yarn, { isClone: false }), { words: 'yarn agent', folder: '/srv/app' })
    const pnpm = { npm_config_user_agent: 'pnpm/12.21.0 npm/? node/v24.21.0 linux x64', INIT_CWD: '/srv/app' }
    assert.equal(typedCommand('agent', pnpm, { isClone: false }).words, 'pnpm exec agent')
  })

  it('stays sallyport for a person who began with it (the first hour, 1)', () => {
    const start = { isClone: false, isSallyport: true }
    assert.equal(typedCommand('agent', {}, start).words, 'sallyport')
    assert.equal(typedCommand('relay', {}, start).words, 'sallyport relay')
    assert.equal(typedCommand('relay', {}, { isClone: true, isSallyport: true }).words, 'npx --no sallyport relay')
  })
})
