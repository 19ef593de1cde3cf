import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { format } from 'node:util'

import { Secret } from '@sallyport/protocol'

import { ConfigError } from './errors.ts'
import { Keys } from './keys.ts'

let folder: string
before(async () => (folder = await mkdtemp(join(tmpdir(), 'sallyport-keys-'))))
after(() => rm(folder, { recursive: true }))

describe('the key of the relay', () => {
  it('is made at the first start beside the database, for its owner only, and read afterwards', async () => {
    const storePath = join(folder, 'new', 'relay.db')
    const first = await Keys.open({ storePath, env: {} })
    assert.equal((await stat(join(folder, 'new', 'relay.secret'))).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'new'))).mode & 0o777, 0o700)
    const second = await Keys.open({ storePath, env: {} })
    assert.deepEqual(first.deriveKey('a'), second.deriveKey('a'))
  })

  it('is the same for relays that start at the same moment, and leaves no other file', async () => {
    const storePath = join(folder, 'race', 'relay.db')
    const all = await Promise.all(Array.from({ length: 8 }, () => Keys.open({ storePath, env: {} })))
    assert.equal(new Set(all.map((keys) => Buffer.from(keys.deriveKey('a')).toString('hex'))).size, 1)
    assert.deepEqual(await readdir(join(folder, 'race')), ['relay.secret'])
  })

  it('is refused if other users may read it', async () => {
    const storePath = join(folder, 'open.db')
    await Keys.open({ storePath, env: {} })
    for (const mode of [0o640, 0o604, 0o660]) {
      await chmod(join(folder, 'open.secret'), mode)
      await assert.rejects(Keys.open({ storePath, env: {} }), (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.match(error.message, /run: chmod 600 .*open\.secret/)
        return true
      })
    }
  })

  it('is refused if the file holds something else, and the file stays', async () => {
    const file = join(folder, 'bad.secret')
    for (const content of ['', 'short', 'x'.repeat(5000)]) {
      await writeFile(file, content, { mode: 0o600 })
      await assert.rejects(Keys.open({ storePath: join(folder, 'bad.db'), env: {} }), /is not a key of the relay/)
      assert.equal(await readFile(file, 'utf8'), content)
    }
  })

  it('comes from SALLYPORT_SECRET if that is set, and no file is made', async () => {
    const storePath = join(folder, 'env', 'relay.db')
    const env = { SALLYPORT_SECRET: 'a secret of thirty-two characters' }
    const keys = await Keys.open({ storePath, env })
    assert.deepEqual(keys.deriveKey('a'), (await Keys.open({ storePath: '/elsewhere/x.db', env })).deriveKey('a'))
    await assert.rejects(stat(join(folder, 'env')))
    await assert.rejects(Keys.open({ storePath, env: { SALLYPORT_SECRET: 'too short' } }), (error: unknown) => {
      assert.ok(error instanceof ConfigError)
      assert.match(error.message, /^SALLYPORT_SECRET: is shorter than 32 characters/)
      assert.doesNotMatch(error.message, /too short/)
      return true
    })
  })
})

describe('boxes', () => {
  const keys = new Keys(Buffer.alloc(32, 1))

  it('return their content, and never look the same', () => {
    for (const text of ['', 'x', 'é\u{1F600}'.repeat(1000)]) {
      const box = keys.sealBox('state', text)
      assert.match(box, /^[A-Za-z0-9_-]+$/)
      assert.equal(keys.openBox('state', box), text)
      assert.notEqual(keys.sealBox('state', text), box)
    }
  })

  it('attack 27: open for their own purpose and key only', () => {
    const box = keys.sealBox('state', 'text')
    assert.equal(keys.openBox('session', box), undefined)
    assert.equal(keys.openBox('state ', box), undefined)
    assert.equal(new Keys(Buffer.alloc(32, 2)).openBox('state', box), undefined)
  })

  it('do not open if any byte was changed, cut off or added', () => {
    const box = keys.sealBox('state', 'text')
    const bytes = Buffer.from(box, 'base64url')
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes)
      changed[index] = (changed[index] ?? 0) ^ 1
      assert.equal(keys.openBox('state', changed.toString('base64url')), undefined)
      assert.equal(keys.openBox('state', bytes.subarray(0, index).toString('base64url')), undefined)
    }
    for (const other of [`${box}A`, `${box}=`, ` ${box}`, `${box}\n`, '', '!', 'x'.repeat(100_000)]) {
      assert.equal(keys.openBox('state', other), undefined)
    }
  })

  it('use independent keys', () => {
    assert.notDeepEqual(keys.deriveKey('a'), keys.deriveKey('b'))
    assert.equal(keys.deriveKey('a').length, 32)
  })
})

describe('a secret', () => {
  it('attack 44: prints as *** wherever it is printed', () => {
    const secret = new Secret('hunter2')
    const printed = [
      String(secret),
      JSON.stringify({ secret }),
      format('%s %o %j', secret, secret, secret),
      format({ secret }),
    ]
    assert.doesNotMatch(printed.join(), /hunter2/)
    assert.match(printed.join(), /\*\*\*/)
    assert.equal(secret.reveal(), 'hunter2')
  })
})
