// `npm run build`: emits dist/ of every published package, for `pnpm publish`. The repository itself runs from source.

import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
for (const name of ['protocol', 'server', 'agent']) {
  const folder = join(root, 'packages', name)
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', join(folder, 'tsconfig.json')], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
  console.log(`✔ packages/${name}/dist`)
}
