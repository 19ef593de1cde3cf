// `npm test`: all tests, with the test runner's own summary at the end. Arguments are files or folders to run instead.
// Most processes of the tests run the commands as they are built for installation; `node --test FILE` runs the sources.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { Installed } from '../test/support/as-installed.ts'
import { findChromium } from '../test/support/browser/chromium.ts'

const root = join(import.meta.dirname, '..')
const cache = join(root, 'node_modules', '.cache')
const wanted = process.argv.slice(2)
const missing = wanted.filter((path) => !existsSync(path))
if (missing.length > 0) {
  console.error(`There is no ${missing.join(', no ')}: npm test -- FILE_OR_FOLDER…`)
  process.exit(2)
}
const folders = wanted.length > 0 ? wanted : ['packages', 'test', 'examples', 'bench']
const files = folders
  .flatMap((path) => (statSync(path).isDirectory() ? globSync(`${path}/**/*.test.ts`, { exclude: isForeign }) : [path]))
  .toSorted()

const chromium = await findChromium((line) => console.error(line))
if (!chromium) {
  console.error('Without Chromium the browser tests are skipped. On Debian: apt-get install chromium')
  if (process.env.CI === 'true') process.exit(1)
}

// node:test leaves one core free, which is half of two, although most files usually wait: two at a time use three
// quarters of two cores.
const atOnce = Math.max(3, availableParallelism() - 1)
const flags = [
  '--test-reporter=spec',
  '--test-timeout=240000',
  `--test-concurrency=${atOnce}`,
  `--import=${pathToFileURL(join(root, 'test/support/children-compile-cache.ts')).href}`,
]
const commands = buildCommands(join(cache, 'commands'))
const child = spawn(process.execPath, ['--test', ...flags, ...files], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    // Some two thousand processes load the same files, and most of them live shorter than parsing TypeScript takes.
    NODE_COMPILE_CACHE: join(cache, 'compiled'),
    SALLYPORT_TEST_INSTALLED: JSON.stringify(commands),
    ...(chromium && { SALLYPORT_TEST_CHROMIUM: JSON.stringify(chromium) }),
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))

function isForeign(path: string): boolean {
  return path.includes('node_modules') || path.includes('/dist/')
}

function buildCommands(into: string): Installed {
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build/build-commands.ts'), into], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1) // it has said why
  return {
    'packages/server/src/main.ts': [process.execPath, join(into, 'server/bin/relay.cjs')],
    'packages/agent/src/main.ts': [process.execPath, join(into, 'agent/bin/agent.cjs')],
  }
}
