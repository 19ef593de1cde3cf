// Writes docs/configuration.md. With --check it writes nothing, and exits with 1 if the page is stale.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { KINDS } from '../packages/server/src/policy/kinds.ts'
import { configurationPage } from './configuration-page.ts'

const PAGE = join(import.meta.dirname, '../docs/configuration.md')

const page = configurationPage(KINDS)
if (!process.argv.includes('--check')) {
  await writeFile(PAGE, page)
} else if ((await readFile(PAGE, 'utf8').catch(() => '')) !== page) {
  console.error('docs/configuration.md is stale; run: node scripts/generate-configuration-doc.ts')
  process.exitCode = 1
}
