import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { parseConfig } from './parse-config.ts'

const root = join(import.meta.dirname, '../../../..')

describe('docs/configuration.md', () => {
  it('agrees with the schema', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-configuration-doc.ts', '--check'], {
      cwd: root,
      encoding: 'utf8',
    })
    assert.equal(status, 0, stderr)
  })

  it('shows an example that the relay accepts unchanged', async () => {
    const page = await readFile(join(root, 'docs/configuration.md'), 'utf8')
    const example = /```yaml\n(.*?)```/s.exec(page)?.[1]
    assert.ok(example)
    const config = parseConfig(example, { source: '/etc/sallyport/relay.yml', env: { OIDC_SECRET: 's' } })
    assert.deepEqual(
      config.edges.map(({ id }) => id),
      ['edg_docs', 'edg_shop'],
    )
  })
})
