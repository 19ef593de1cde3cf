import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { ConfigError } from '../errors.ts'
import { loadConfig, loadStoreLocation } from './load-config.ts'

describe('loading relay.yml', () => {
  let folder: string
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-config-'))))
  after(() => rm(folder, { recursive: true }))

  it('says that there is no such file, or that it is a folder', async () => {
    await assert.rejects(loadConfig({ file: join(folder, 'none.yml'), env: {} }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /none\.yml: there is no such file/)
      return true
    })
    await assert.rejects(loadConfig({ file: folder, env: {} }), /is a folder; name the file in it/)
  })

  it('runs in local mode without a file', async () => {
    const config = await loadConfig({ env: { HOME: folder } })
    assert.equal(config.edges[0]?.id, 'edg_local')
  })

  it('finds the store, whatever else is in the file', async () => {
    const file = join(folder, 'relay.yml')
    await writeFile(file, 'store: sqlite:${NAME:relay}.db\npublic_url: ${NOT_SET}\nno_such_key: 1\n')
    assert.deepEqual(await loadStoreLocation({ file, env: {} }), { type: 'sqlite', path: join(folder, 'relay.db') })
    assert.deepEqual(await loadStoreLocation({ file, env: { NAME: 'other' } }), {
      type: 'sqlite',
      path: join(folder, 'other.db'),
    })
  })

  it('finds the default store if the file names none', async () => {
    const file = join(folder, 'bare.yml')
    await writeFile(file, 'domain: example.com\n')
    const found = await loadStoreLocation({ file, env: { HOME: '/h' } })
    assert.equal(found.path, '/h/.local/share/sallyport/relay.db')
  })

  it('refuses a store that needs an unset variable', async () => {
    const file = join(folder, 'unset.yml')
    await writeFile(file, 'store: sqlite:${DIR}/relay.db\n')
    await assert.rejects(loadStoreLocation({ file, env: {} }), /store: the environment variable DIR is not set/)
  })
})
