import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { rootCertificates } from 'node:tls'

import { ConfigError } from '../../errors.ts'
import { createLog } from '../../log.ts'
import { authoritiesIn } from '../../values/authorities-in.ts'
import { authorityWarnings } from './authority-warnings.ts'
import { ClientAuthorities } from './client-authorities.ts'
import type { TerminateTlsConfig } from './kind.ts'
import type { Terminating } from './terminations.ts'

const [ONE = '', TWO = ''] = rootCertificates
const DAY_MS = 86_400_000

function edgeWith(certificate: NonNullable<TerminateTlsConfig['certificate']>): Terminating {
  const config = { min_version: '1.2', max_version: '1.3', certificate } as const
  return { on_tcp_connect: [{ actions: [{ type: 'terminate-tls', config }] }] }
}

describe('authorities in files', () => {
  let folder: string
  let file: string
  const lines: string[] = []
  const log = createLog({ level: 'info' }, { write: (line) => void lines.push(line) })
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-authorities-'))
    file = join(folder, 'partners.pem')
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const load = async (...files: string[]): Promise<ClientAuthorities> => {
    const authorities = new ClientAuthorities(log)
    await authorities.readMore(
      files.map((each) => ({ id: 'edg_a', ...edgeWith({ strategy: 'require-and-verify', authorities: [each] }) })),
    )
    return authorities
  }

  it('are read at the start and again later; a bad new file replaces no good old one', async () => {
    await writeFile(file, ONE)
    const authorities = await load(file, file)
    try {
      const before_ = authorities.of(file)
      assert.deepEqual([before_.length, authorities.of(file)], [1, before_])
      await writeFile(file, 'nothing of use')
      await authorities.reload(file)
      assert.equal(authorities.of(file), before_)
      assert.match(lines.at(-1) ?? '', /holds no certificate in PEM.*not reloaded, the old ones stay/)
      await writeFile(file, `${ONE}\n${TWO}`)
      await authorities.reload(file)
      assert.equal(authorities.of(file).length, 2)
      assert.throws(() => authorities.of('/another.pem'), TypeError)
    } finally {
      authorities.close()
    }
  })

  it('stop the start if one of them is unusable, each with a sentence', async () => {
    await writeFile(file, 'nothing of use')
    const problems = await load(file, join(folder, 'none.pem')).then(
      () => [],
      (error: unknown) => (error instanceof ConfigError ? error.problems : []),
    )
    const told = problems.map(({ path, message }) => `${path}: ${message}`)
    assert.equal(told.length, 2)
    assert.match(told[0] ?? '', /authorities of terminate-tls in edg_a: .*partners\.pem holds no certificate in PEM/)
    assert.match(told[1] ?? '', /none\.pem/)
  })
})

describe('warnings about authorities', () => {
  const found = authoritiesIn(ONE)
  assert.ok('authorities' in found)
  const [authority] = found.authorities
  const [from, to] = [authority!.validFromDate.getTime(), authority!.validToDate.getTime()]
  const told = (now: number, strategy: 'require-and-verify' | 'request' = 'require-and-verify'): string =>
    authorityWarnings(edgeWith({ strategy, authorities: [ONE, '/x.pem'] }), { of: () => [ONE] }, now).join('\n')

  it('come if one has expired or soon will, or is not valid yet, and name its place', () => {
    assert.equal(told(from + DAY_MS), '')
    assert.match(
      told(to + 1),
      /^trusts the authority .*, which expired on \d{4}-.*\ntrusts .* in \/x\.pem, which expired/,
    )
    assert.match(told(to - DAY_MS), /which expires on /)
    assert.match(told(from - 1), /which is not valid before /)
    assert.equal(told(to + 1, 'request'), '', 'nobody is verified')
  })
})
