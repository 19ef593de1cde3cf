// Writes docs/expressions.md. With --check it writes nothing, and exits with 1 if the page is stale.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expressionsPage } from './expressions-page.ts'

const PAGE = join(import.meta.dirname, '../docs/expressions.md')

const page = expressionsPage()
if (!process.argv.includes('--check')) {
  await writeFile(PAGE, page)
} else if ((await readFile(PAGE, 'utf8').catch(() => '')) !== page) {
  console.error('docs/expressions.md is stale; run: node scripts/generate-expressions-doc.ts')
  process.exitCode = 1
}
