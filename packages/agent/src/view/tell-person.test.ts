import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { tellPerson } from './tell-person.ts'

const REFUSED = 'The relay refused the authtoken. Make a new one: relay authtoken create.'

function told(text: string, terminal: { isTTY?: boolean; columns?: number }): string {
  let written = ''
  tellPerson(text, { ...terminal, write: (more) => (written += more) })
  return written
}

describe('tellPerson (the first hour, 5)', () => {
  it('breaks between words on a terminal, and nothing elsewhere', () => {
    assert.equal(
      told(REFUSED, { isTTY: true, columns: 40 }),
      'The relay refused the authtoken. Make a\nnew one: relay authtoken create.\n',
    )
    assert.equal(told(REFUSED, { columns: 40 }), `${REFUSED}\n`)
    assert.equal(told(REFUSED, { isTTY: true, columns: 0 }), `${REFUSED}\n`)
  })

  it('leaves lines that fit unchanged', () => {
    const shown = 'agent.yml:\n  server:   x\n            ^'
    assert.equal(told(shown, { isTTY: true, columns: 40 }), `${shown}\n`)
  })
})
