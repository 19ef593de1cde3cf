import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Messages } from './messages.ts'

const warn = (text: string) => ({ level: 'warn', text }) as const

describe('Messages (the first hour, 15)', () => {
  it('tells each matter once, with the time of its latest message, and drops settled ones', () => {
    const messages = new Messages()
    messages.say('app 1', warn('A visitor could not be served.'), 1000)
    messages.say('failed 1', warn('no relay answers'), 2000)
    messages.say('failed 2', warn('no relay answers'), 3000)
    assert.deepEqual(
      messages.at(3000).map(({ text, at }) => [text, at]),
      [
        ['A visitor could not be served.', 1000],
        ['no relay answers', 3000],
      ],
    )
    messages.dropAll('failed')
    messages.sayForAWhile('app 1', { level: 'info', text: 'The app answers again.' }, 4000)
    assert.deepEqual(messages.at(5000), [{ level: 'info', text: 'The app answers again.', at: 4000 }])
    assert.deepEqual(messages.at(4000 + 60_000), [])
  })

  it('is never longer than a screen, whatever a relay says', () => {
    const messages = new Messages()
    for (let count = 0; count < 1000; count++) messages.say(`relay said ${count}`, warn(String(count)), count)
    assert.deepEqual(
      messages.at(1000).map(({ text }) => text),
      ['995', '996', '997', '998', '999'],
    )
  })
})
