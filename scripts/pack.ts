// `npm run pack`: builds the published packages and packs them into `tarballs/`, for `npm install -g`. `pnpm pack` in the
// folder of one package does the same for that one.

import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

import { PNPM } from './pnpm.mjs'

const KB = 1000
const root = join(import.meta.dirname, '..')
const [target = join(root, 'tarballs'), ...more] = process.argv.slice(2)
if (more.length > 0 || target.startsWith('-')) {
  console.error('npm run pack -- [FOLDER]: where the tarballs go, tarballs/ if none is named')
  process.exit(2)
}
mkdirSync(target, { recursive: true })
// Tarballs of another version might be installed by mistake.
for (const name of tarballs()) rmSync(join(target, name))

for (const name of ['protocol', 'server', 'agent']) {
  const { status, stdout, stderr, error } = spawnSync('npx', ['--yes', PNPM, 'pack', '--pack-destination', target], {
    cwd: join(root, 'packages', name),
    encoding: 'utf8',
    env: { ...process.env, npm_config_loglevel: 'error' },
    shell: process.platform === 'win32',
  })
  if (status === 0) continue
  console.error(error ? `Could not run npx: ${error.message}` : `${stdout}${stderr}`)
  process.exit(1)
}
for (const name of tarballs()) {
  const path = join(target, name)
  console.log(`✔ ${relative(process.cwd(), path)}  ${Math.round(statSync(path).size / KB)} kB`)
}

function tarballs(): string[] {
  return readdirSync(target).filter((name) => /^sallyport-(?:protocol|server|agent)-.*\.tgz$/.test(name))
}
