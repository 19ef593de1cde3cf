// Makes dist/ of one published package.

import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { bundle } from './bundle.ts'
import { licenseTexts } from './licenses.ts'
import { copyNativeMasks } from './native-masks.ts'
import { emitTypes } from './types.ts'

export const PACKAGES = ['protocol', 'server', 'agent'] as const

export const ENTRIES = {
  server: {
    main: 'src/main.ts',
    'sqlite-worker': 'src/store/sqlite/sqlite-worker.ts',
    'worker-main': 'src/workers/worker-main.ts',
  },
  agent: { main: 'src/main.ts', sallyport: 'src/sallyport.ts', agent: 'src/agent.ts' },
}

/**
 * @param root of the clone
 * @param dist an empty folder, or one that does not exist yet
 * @throws Error if a file would be missing on the machine that the package is installed on
 */
export async function buildPackage(root: string, name: (typeof PACKAGES)[number], dist: string): Promise<void> {
  const folder = join(root, 'packages', name)
  if (name === 'protocol') return compile(root, folder, dist)
  mkdirSync(dist, { recursive: true })
  const modules = await bundle(folder, dist, ENTRIES[name])
  const masks = copyNativeMasks(folder, dist)
  writeFileSync(join(dist, 'THIRD-PARTY-LICENSES.txt'), licenseTexts([...modules, ...masks]))
  copyFileSync(join(root, 'packages/protocol/src/require-node.cjs'), join(dist, 'require-node.cjs'))
  if (name === 'agent') emitTypes(root, join(dist, 'types'))
}

/** A library stays unbundled: a file for each source, its types, and its own dependencies. */
function compile(root: string, folder: string, dist: string): void {
  const tsc = join(root, 'node_modules/.bin/tsc')
  const { status } = spawnSync(tsc, ['-p', join(folder, 'tsconfig.json'), '--outDir', dist], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`${folder} does not compile`)
}
