// `npm run check`: format, lint (floating promises are errors), types, floor plan. Runs all and says which failed.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const checks: [name: string, command: string, args: string[]][] = [
  ['format', bin('oxfmt'), ['--check']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings']],
  ['types', bin('tsc'), ['--noEmit', '-p', '.']],
  ['floor plan', process.execPath, ['--test', '--test-reporter=dot', 'test/floor-plan.test.ts']],
]

const failed = checks.filter(([name, command, args]) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  const fine = status === 0
  console.log(`${fine ? '✔' : '✘'} ${name}`)
  if (!fine) console.log(`${stdout ?? ''}${stderr ?? ''}${error ? error.message : ''}`)
  return !fine
})
process.exit(failed.length === 0 ? 0 : 1)
