import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import type { EdgeConfig } from '../model/edge-config.ts'
import { ConfigError } from '../errors.ts'
import { readLogos } from './read-logos.ts'

const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

describe('logos of pages (the first hour, 18)', () => {
  let folder: string
  const file = (name: string): string => join(folder, name)
  const edge = (name: string): EdgeConfig => ({
    id: 'edg_a',
    hosts: ['a.example.com'],
    routes: [],
    pages: { logo_file: file(name) },
  })

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-logos-'))
    await writeFile(file('good.svg'), PNG) // its bytes count, not its name
    await writeFile(file('photo'), Buffer.from([0xff, 0xd8, 0xff, 0xe0]))
    await writeFile(file('logo.png'), '<?xml version="1.0"?><svg onload="alert(1)"/>')
    await writeFile(file('page.gif'), '<script>alert(1)</script>')
    await writeFile(file('huge.png'), Buffer.concat([PNG, Buffer.alloc(16 * 1024)]))
  })
  after(() => rm(folder, { recursive: true }))

  it('are known by their bytes', async () => {
    const logos = await readLogos({ pages: { logo_file: file('good.svg') }, edges: [edge('photo'), edge('good.svg')] })
    assert.deepEqual(
      [...logos.values()],
      [`data:image/png;base64,${PNG.toString('base64')}`, 'data:image/jpeg;base64,/9j/4A=='],
    )
  })

  it('are refused all at once, each with its path, if they are none', async () => {
    const edges = ['logo.png', 'page.gif', 'huge.png'].map(edge)
    await assert.rejects(readLogos({ pages: { logo_file: file('missing.png') }, edges }), (error) => {
      assert.ok(error instanceof ConfigError)
      assert.deepEqual(
        error.problems.map(({ path, message }) => [path, message.replaceAll(`${folder}/`, '')]),
        [
          ['pages.logo_file', 'there is no such file: missing.png; correct the path, or put the file there'],
          [
            'edges[0].pages.logo_file',
            'logo.png is none of the pictures that pages may show; an SVG may hold scripts; save it as PNG',
          ],
          [
            'edges[1].pages.logo_file',
            'page.gif is none of the pictures that pages may show; save it as PNG, JPEG, GIF or WebP',
          ],
          [
            'edges[2].pages.logo_file',
            'huge.png is larger than 16 KiB, and would be sent with every page; make it smaller',
          ],
        ],
      )
      return true
    })
  })
})
