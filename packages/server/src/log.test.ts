import assert from 'node:assert/strict'
import { it } from 'node:test'

import { createLog } from './log.ts'

it('attack 44: the log blanks headers that carry secrets, should any code ever log them', () => {
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
