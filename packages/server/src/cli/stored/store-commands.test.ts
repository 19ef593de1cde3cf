import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it, mock } from 'node:test'

import { ConfigError } from '../../errors.ts'
import { Keys } from '../../keys.ts'
import { openStore } from '../../store/open-store.ts'
import type { Store } from '../../store/store.ts'
import { backUpStore } from './store-commands.ts'

describe('relay store backup', () => {
  const said: string[] = []
  let folder: string
  let config: string
  let store: Store
  const at = (name: string) => join(folder, name)
  const anything = (stored: unknown) => stored
  const written = async () => (await readdir(folder)).filter((name) => !name.startsWith('relay.')).toSorted()

  before(async () => {
    mock.method(console, 'error', (line: string) => void said.push(line))
    folder = await mkdtemp(join(tmpdir(), 'sallyport-backup-'))
    config = at('relay.yml')
    await writeFile(config, 'store: sqlite:relay.db\n')
    await Keys.open({ storePath: at('relay.db'), env: {} })
    store = await openStore({ type: 'sqlite', path: at('relay.db') })
    store.serve()
    await store.bucket('b', anything).put('k', 'kept')
  })
  after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  beforeEach(() => {
    said.length = 0
  })

  it('copies store and key for their owner only, while a relay writes, and replaces an earlier copy', async () => {
    let isOver = false
    const writing = (async () => {
      for (let i = 0; !isOver; i++) await store.bucket('busy', anything).put('k', i)
    })()
    const ask = { config, withKey: at('copy.secret') }
    await backUpStore(at('copy.db'), ask)
    await store.bucket('b', anything).put('later', 1)
    await backUpStore(at('copy.db'), ask)
    isOver = true
    await writing
    assert.deepEqual(await written(), ['copy.db', 'copy.secret'], 'and no draft is left')
    for (const name of ['copy.db', 'copy.secret']) assert.equal((await stat(at(name))).mode & 0o777, 0o600)
    assert.equal(await readFile(at('copy.secret'), 'utf8'), await readFile(at('relay.secret'), 'utf8'))
    assert.match(
      said.join('\n'),
      /Copied .*relay\.db to .*copy\.db \(\d+ KiB\)\.\nCopied .*relay\.secret to .*Keep the two apart/,
    )
    const restored = await openStore({ type: 'sqlite', path: at('copy.db') })
    assert.equal((await restored.bucket('b', anything).get('later'))?.value, 1)
    await restored.bucket('b', anything).put('more', 1)
    await restored.close()
  })

  it('names the key that belongs to the copy', async () => {
    await backUpStore(at('copy.db'), { config })
    assert.match(said.join('\n'), /relay\.secret belongs to it: without this key the copy is useless/)
    process.env['SALLYPORT_SECRET'] = 'x'.repeat(40)
    try {
      await backUpStore(at('copy.db'), { config })
      assert.match(said.join('\n'), /SALLYPORT_SECRET belongs to it/)
      await refused(at('copy.db'), { withKey: at('new.secret') }, [/SALLYPORT_SECRET here, not a file/])
    } finally {
      delete process.env['SALLYPORT_SECRET']
    }
  })

  it('overwrites neither the store, its key nor foreign files; reports all problems at once', async () => {
    await symlink(at('relay.db'), at('link.db'))
    await writeFile(at('notes.txt'), 'notes')
    const before = await written()
    await refused(at('relay.db'), { withKey: at('relay.secret') }, [
      /FILE: .*belongs to the store/,
      /--with-key: .*belongs to the store/,
    ])
    await refused(at('link.db'), {}, [/belongs to the store/])
    await refused(at('relay.db-wal'), {}, [/belongs to the store/])
    await refused(at('copy.db'), { withKey: at('copy.db') }, [/names the same file as FILE/])
    await refused(at('notes.txt'), {}, [/notes\.txt exists and is not the copy of a store; name another file/])
    await refused(folder, {}, [/exists and is not the copy of a store/])
    await refused(join(folder, 'none', 'copy.db'), {}, [/the folder of .* does not exist; make it first/])
    assert.equal(await readFile(at('notes.txt'), 'utf8'), 'notes')
    assert.deepEqual(await written(), before)
    assert.equal((await store.bucket('b', anything).get('k'))?.value, 'kept')
  })

  it('says so if there is no store yet, and makes none', async () => {
    await writeFile(at('new.yml'), 'store: sqlite:new/relay.db\n')
    await assert.rejects(backUpStore(at('copy.db'), { config: at('new.yml') }), /there is no store here yet/)
    assert.equal(existsSync(at('new')), false)
  })

  it(
    'leaves the earlier copy when the new one fails',
    { skip: process.getuid?.() === 0 && 'root may write everywhere' },
    async () => {
      const copy = await readFile(at('copy.db'))
      await chmod(folder, 0o500)
      try {
        await refused(at('copy.db'), {}, [/cannot be|may not be/])
      } finally {
        await chmod(folder, 0o700)
      }
      assert.deepEqual(await readFile(at('copy.db')), copy)
    },
  )

  async function refused(copy: string, options: { withKey?: string }, expected: RegExp[]): Promise<void> {
    await assert.rejects(backUpStore(copy, { config, ...options }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      const told = error.problems.map(({ path, message }) => `${path}: ${message}`)
      assert.equal(told.length, expected.length, told.join('\n'))
      for (const [index, wanted] of expected.entries()) assert.match(told[index] ?? '', wanted)
      return true
    })
  }
})
