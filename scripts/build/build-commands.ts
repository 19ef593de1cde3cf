// Makes the commands as they are installed, without licences and types: for the tests, whose some two thousand processes
// start in half of the time that the sources take, and are what people run. A process of its own: the bundler takes 400
// MB, which the tests need.

import { copyFileSync, cpSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { ENTRIES } from './build-package.ts'
import { bundle } from './bundle.ts'
import { copyNativeMasks } from './native-masks.ts'

const root = join(import.meta.dirname, '../..')
const into = process.argv[2]
if (into === undefined) throw new Error('build-commands.ts FOLDER')
// Put in place at once: another run of the tests may be under way.
const place = `${into}.${process.pid}`
await Promise.all([buildCommand('server', place), buildCommand('agent', place)])
rmSync(into, { recursive: true, force: true })
renameSync(place, into)

async function buildCommand(name: 'server' | 'agent', folder: string): Promise<void> {
  const [from, to] = [join(root, 'packages', name), join(folder, name)]
  const dist = join(to, 'dist')
  mkdirSync(dist, { recursive: true })
  copyFileSync(join(from, 'package.json'), join(to, 'package.json'))
  cpSync(join(from, 'bin'), join(to, 'bin'), { recursive: true })
  copyFileSync(join(root, 'packages/protocol/src/require-node.cjs'), join(dist, 'require-node.cjs'))
  await bundle(from, dist, ENTRIES[name])
  copyNativeMasks(from, dist)
}
