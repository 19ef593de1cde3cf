import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { it } from 'node:test'
import { promisify } from 'node:util'

import { nextRequestId } from './request-id.ts'

it('first-hour 13: each id is made once, and no two processes make the same', async () => {
  const module = JSON.stringify(new URL('request-id.ts', import.meta.url).href)
  const program = `const { nextRequestId } = await import(${module}); for (let i = 0; i < 40; i++) console.log(nextRequestId())`
  const run = promisify(execFile)
  const args = ['--input-type=module', '--eval', program]
  const others = await Promise.all([run(process.execPath, args), run(process.execPath, args)])
  const ids = others.flatMap(({ stdout }) => stdout.trimEnd().split('\n'))
  for (let count = 0; count < 2000; count++) ids.push(nextRequestId())
  assert.equal(ids.length, 2080)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, /^req_[0-9a-z]{7,}$/)
})
