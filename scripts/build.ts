// `npm run build`: makes dist/ of the published packages, all or those that are named, as `pnpm pack` needs it. The
// repository itself runs from source.

import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { PACKAGES, buildPackage } from './build/build-package.ts'

const root = join(import.meta.dirname, '..')
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !PACKAGES.some((each) => each === name))
if (unknown.length > 0) {
  console.error(`There is no package ${unknown.join(', no ')}: npm run build -- [${PACKAGES.join('|')}]…`)
  process.exit(2)
}
for (const name of PACKAGES.filter((each) => wanted.length === 0 || wanted.includes(each))) {
  const dist = join(root, 'packages', name, 'dist')
  rmSync(dist, { recursive: true, force: true })
  await buildPackage(root, name, dist)
  console.log(`✔ packages/${name}/dist`)
}
