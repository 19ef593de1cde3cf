import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { mmdbFile } from '../../../../../test/support/mmdb-file.ts'
import { ConfigError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import { FollowedFile } from '../../config/followed-file.ts'
import { readAddressList } from './address-list.ts'
import { SourceFiles } from './source-files.ts'

const placeOf = (code: string): Buffer => mmdbFile({ networks: { '192.0.2.0/24': { country: { iso_code: code } } } })
const WORDS = { reloaded: 'file reloaded', kept: 'file not reloaded, the old content stays' }

describe('files that expressions read (traffic policy, 13)', () => {
  let folder: string
  const lines: string[] = []
  const write = (_: unknown, message: string): void => void lines.push(message)
  const log = { info: write, warn: write } as unknown as Logger // only this is called

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-sources-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  async function fileOf(name: string, content: string | Buffer): Promise<string> {
    const file = join(folder, name)
    await writeFile(file, content)
    return file
  }

  it('are lists with a range in each line', async () => {
    const has = await readAddressList(
      Buffer.from('# a list\r\n192.0.2.0/24 ; SBL1\n\n 2001:db8::/32# x\n203.0.113.9\n'),
    )
    for (const address of ['192.0.2.255', '2001:db8:1::', '203.0.113.9', '::ffff:203.0.113.9']) assert.ok(has(address))
    for (const address of ['192.0.3.0', '2001:db9::', '203.0.113.8', 'unknown', '']) assert.ok(!has(address), address)
    await assert.rejects(readAddressList(Buffer.from('192.0.2.0/24\n\nlocalhost\n')), /^Error: has in line 3: "localhost" is not an address range/) // prettier-ignore
    await assert.rejects(readAddressList(Buffer.from('192.0.2.0/33')), /has in line 1: .*from 0 to 32/)
    assert.ok(!(await readAddressList(Buffer.alloc(0)))('192.0.2.1'))
  })

  it('let the event loop run while a long one is read', async () => {
    const text = Array.from({ length: 30_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`).join('\n')
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    const has = await readAddressList(Buffer.from(text))
    clearInterval(timer)
    assert.ok(has('10.117.40.1') && turns > 0)
  })

  it('are all reported by their keys if they cannot be used', async () => {
    const geo = { city_file: join(folder, 'none.mmdb'), asn_file: await fileOf('city.mmdb', placeOf('DE')) }
    const ip_lists = new Map([['tor', await fileOf('tor.txt', 'exit.example')], ['fine', await fileOf('fine.txt', '')]]) // prettier-ignore
    const refused = await SourceFiles.open({ geo, ip_lists }, log).then(
      () => [],
      (error: unknown) => (error instanceof ConfigError ? error.problems : []),
    )
    assert.deepEqual(refused.map(({ path }) => path).toSorted(), ['geo.asn_file', 'geo.city_file', 'ip_lists.tor'])
    for (const { path, message } of refused) {
      const [, key = ''] = path.split('.')
      assert.match(message, { city_file: /^there is no such file: .*none\.mmdb/, asn_file: /city\.mmdb is a database of the type/, tor: /tor\.txt has in line 1: "exit\.example"/ }[key] ?? /$^/) // prettier-ignore
    }
  })

  it('are looked up, but only configured ones', async () => {
    const geo = { city_file: await fileOf('city.mmdb', placeOf('DE')) }
    const ip_lists = new Map([['tor', await fileOf('tor.txt', '192.0.2.1')], ['other', await fileOf('other.txt', '192.0.2.0/24')]]) // prettier-ignore
    const files = await SourceFiles.open({ geo, ip_lists }, log)
    const { city, autonomousSystem, lists, isOn } = files.lookups
    assert.equal(city?.('192.0.2.1')?.location.countryCode, 'DE')
    assert.equal(autonomousSystem, undefined)
    assert.deepEqual(
      [lists?.('192.0.2.1'), lists?.('192.0.2.2'), lists?.('192.0.3.2')],
      [['tor', 'other'], ['other'], []],
    )
    assert.deepEqual([isOn?.('tor', '192.0.2.1'), isOn?.('tor', '192.0.2.2'), isOn?.('none', '192.0.2.1')], [true, false, undefined]) // prettier-ignore
    files.close()
    const none = await SourceFiles.open({ geo: {}, ip_lists: new Map() }, log)
    assert.deepEqual(none.lookups, {})
    none.close()
  })

  it('change with the configuration; known ones are not reread, and bad ones change nothing', async () => {
    const [de, fr] = [await fileOf('de.mmdb', placeOf('DE')), await fileOf('fr.mmdb', placeOf('FR'))]
    const tor = await fileOf('exits.txt', '192.0.2.1')
    const files = await SourceFiles.open({ geo: { city_file: de }, ip_lists: new Map([['tor', tor]]) }, log)
    const before = files.lookups
    await writeFile(tor, 'nonsense') // the list stays open, so its content stays
    const next = await files.readNext({ geo: { city_file: fr }, ip_lists: new Map([['tor', tor]]) })
    assert.equal(files.lookups, before)
    next.take()
    const code = (): string | undefined => files.lookups.city?.('192.0.2.1')?.location.countryCode
    assert.deepEqual([code(), files.lookups.isOn?.('tor', '192.0.2.1')], ['FR', true])
    const bad = { geo: { city_file: tor, asn_file: fr }, ip_lists: new Map([['other', tor]]) }
    await assert.rejects(files.readNext(bad), ({ problems }: ConfigError) => problems.length === 3)
    const dropped = await files.readNext({ geo: {}, ip_lists: new Map() })
    dropped.drop()
    assert.deepEqual([code(), files.lookups.isOn?.('tor', '192.0.2.1')], ['FR', true])
    const none = await files.readNext({ geo: {}, ip_lists: new Map() })
    none.take()
    assert.deepEqual(files.lookups, {})
    files.close()
  })

  it('are reread; a bad new file leaves the old content and is reported once', async () => {
    const file = await fileOf('followed.txt', '192.0.2.1')
    const followed = await FollowedFile.open({ file, words: WORDS, maxBytes: 100, parse: readAddressList, log })
    lines.length = 0
    for (const [content, message, holds] of [
      ['192.0.2.2', 'file reloaded', '192.0.2.2'],
      ['nonsense', 'file not reloaded, the old content stays', '192.0.2.2'],
      ['#'.repeat(101), 'file not reloaded, the old content stays', '192.0.2.2'],
      ['192.0.2.3', 'file reloaded', '192.0.2.3'],
    ] as const) {
      await writeFile(file, content)
      await followed.reload()
      assert.ok(followed.value(holds), content)
      assert.deepEqual(lines.splice(0), [message])
    }
    await rm(file)
    await followed.reload()
    assert.ok(followed.value('192.0.2.3') && lines.length === 1)
    followed.close()
  })

  it('keep the newest of two readings that overlap', async () => {
    const file = await fileOf('slow.txt', 'first')
    const waiting: (() => void)[] = []
    let slow = false
    const parse = async (bytes: Buffer): Promise<string> => {
      if (slow) await new Promise<void>((resolve) => void waiting.push(resolve))
      return bytes.toString()
    }
    const followed = await FollowedFile.open({ file, words: WORDS, maxBytes: 100, parse, log })
    slow = true
    await writeFile(file, 'second')
    const older = followed.reload()
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve))
    slow = false
    await writeFile(file, 'third')
    await followed.reload()
    waiting[0]?.()
    await older
    assert.equal(followed.value, 'third')
    followed.close()
  })
})
