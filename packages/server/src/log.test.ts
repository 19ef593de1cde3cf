import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'

import { createLog } from './log.ts'

it('attack 44: the log blanks secret headers if any code ever logs them', () => {
  const lines: string[] = []
  const log = createLog({ level: 'debug' }, { write: (line) => void lines.push(line) })
  const headers = { authorization: 'Bearer evil', cookie: 'a=evil', host: 'docs.example.com' }
  log.info({ headers }, 'of a request')
  log.info({ request: { headers } }, 'of a request in a field')
  assert.equal(lines.length, 2)
  for (const line of lines) {
    assert.doesNotMatch(line, /evil/)
    assert.match(line, /"authorization":"\*\*\*","cookie":"\*\*\*","host":"docs\.example\.com"/)
  }
})

it('lines of several processes do not mix in a file', { timeout: 30_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-log-'))
  const file = join(folder, 'relay.log')
  const fd = openSync(file, 'w')
  const module = JSON.stringify(new URL('log.ts', import.meta.url).href)
  const program = `
    const { openLog } = await import(${module})
    const { log, output } = openLog({ level: 'info', format: 'json', isShared: true })
    for (let line = 0; line < 10_000; line++) {
      log.info({ line, filling: 'x'.repeat(line % 300) }, process.argv[1])
      if (line % 100 === 0) await new Promise(setImmediate)
    }
    await output.drained(10_000)`
  const ends = ['one', 'two', 'three'].map((name) => {
    const args = ['--input-type=module', '--eval', program, name]
    return once(spawn(process.execPath, args, { stdio: ['ignore', fd, 'inherit'] }), 'exit')
  })
  assert.deepEqual(await Promise.all(ends), Array(3).fill([0, null]))
  closeSync(fd)
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const seen = lines.map((line) => JSON.parse(line) as { msg: string; line: number }) // the log is JSON
  for (const name of ['one', 'two', 'three']) {
    const numbers = seen.filter(({ msg }) => msg === name).map(({ line }) => line)
    assert.deepEqual(numbers, [...Array(10_000).keys()])
  }
  rmSync(folder, { recursive: true })
})
