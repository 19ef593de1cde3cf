// Set-up: installs everything that the repository needs; the machine needs only Node >= 20 and npm. Plain JavaScript,
// because it runs before the pinned Node (which understands TypeScript) is installed. Skips if this exact lockfile has
// been installed already.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PNPM } from './pnpm.mjs'

const OLDEST_NODE = 20
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const stampFile = join(root, 'node_modules', '.sallyport-setup')

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  fail(`Node.js ${process.versions.node} is too old to start the set-up. Install Node.js ${OLDEST_NODE} or later.`)
}

const wanted = fingerprint()
const pinnedNode = join(root, 'node_modules', '.bin', 'node')
const installed = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted && existsSync(pinnedNode)
if (!installed) install()

function install() {
  const started = Date.now()
  process.stderr.write(`Setting up Sallyport: installing packages with ${PNPM} (once, about ten seconds) …\n`)
  const args = ['--yes', PNPM, 'install', '--frozen-lockfile', '--reporter=append-only', '--loglevel=warn']
  const result = spawnSync('npx', args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    // Without CI pnpm asks on a terminal before it replaces node_modules; this set-up must not ask.
    env: { ...process.env, CI: 'true', npm_config_loglevel: 'error' },
    shell: process.platform === 'win32',
  })
  if (result.error || result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
    fail(result.error ? `Could not run npx: ${result.error.message}` : 'The installation failed; its output is above.')
  }
  writeFileSync(stampFile, wanted)
  process.stderr.write(`Set-up done in ${((Date.now() - started) / 1000).toFixed(0)} s.\n`)
}

/**
 * The inputs that decide whether an installation is current: the lockfile, the workspace settings, and every manifest.
 */
function fingerprint() {
  const hash = createHash('sha256')
  const manifests = ['packages', 'examples'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name, 'package.json')),
  )
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', 'test/package.json', 'bench/package.json']
  for (const file of [...files, ...manifests.sort()]) {
    const path = join(root, file)
    if (existsSync(path)) hash.update(file).update(readFileSync(path))
  }
  return hash.digest('hex')
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
