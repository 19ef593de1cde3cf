// `bufferutil` makes WebSocket masks fast: a few kilobytes of C for each system, or JavaScript on others. As a
// dependency it would run a script when it is installed, which pnpm 12 treats as a failure. So the package contains its
// builds.

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

/** Loads the build for this machine. It is N-API: one for every version of Node.js. */
const INDEX = `'use strict'

try {
  module.exports = require('./' + process.platform + '-' + process.arch + '.node')
} catch (error) {
  module.exports = require('./fallback.cjs') // no build for this machine
}
`

/**
 * Writes `bufferutil/` into a folder.
 * @param folder of the package that has it as a dependency
 * @returns the copied files, by their paths
 */
export function copyNativeMasks(folder: string, dist: string): string[] {
  const from = dirname(createRequire(join(folder, 'package.json')).resolve('bufferutil/package.json'))
  const to = join(dist, 'bufferutil')
  mkdirSync(to)
  const builds = readdirSync(join(from, 'prebuilds')).map((system) => ({
    source: join(from, 'prebuilds', system, 'bufferutil.node'),
    target: `${system}.node`,
  }))
  const files = [...builds, { source: join(from, 'fallback.js'), target: 'fallback.cjs' }]
  for (const { source, target } of files) copyFileSync(source, join(to, target))
  writeFileSync(join(to, 'index.cjs'), INDEX)
  return files.map(({ source }) => source)
}
