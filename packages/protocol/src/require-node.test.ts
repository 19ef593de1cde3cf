import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const FILE = join(import.meta.dirname, 'require-node.cjs')
const packages = join(import.meta.dirname, '../..')

/** Runs it with a Node.js that claims to be another version. */
function ask(version: string, range: string): { status: number | null; stderr: string } {
  const script = `
    Object.defineProperty(process, 'versions', { value: { node: '${version}' } })
    require(${JSON.stringify(FILE)})('agent', '${range}')
    process.exit(7)`
  const { status, stderr } = spawnSync(process.execPath, ['--eval', script], { encoding: 'utf8' })
  return { status, stderr }
}

describe('requireNode (the first hour, 1)', () => {
  it('ends with one sentence and exit code 2 on an old Node.js, and lets others continue', () => {
    for (const old of ['16.20.2', '22.9.0']) {
      const { status, stderr } = ask(old, '>=22.15')
      assert.equal(status, 2)
      assert.equal(
        stderr,
        `agent needs Node.js 22.15 or later, and this is ${old} (${process.execPath}). Install a newer one from https://nodejs.org, or put one that you have first into PATH.\n`,
      )
    }
    for (const fine of ['22.15.0', '22.100.0', '24.0.0'])
      assert.deepEqual(ask(fine, '>=22.15'), { status: 7, stderr: '' })
  })

  it('is written, as all code before it, in syntax that old versions read', () => {
    const files = [FILE, ...globSync('*/bin/*.cjs', { cwd: packages }).map((file) => join(packages, file))]
    assert.equal(files.length, 4)
    for (const file of files) {
      const code = readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\/|\/\/.*|'[^'\n]*'/g, '')
      assert.doesNotMatch(code, /\b(?:const|let|class|async|await)\b|=>|`|\?\?|\?\.|\.\.\./, file)
    }
  })
})
