// S2, B1, B2, B6: for any answer of an app that speaks HTTP/1.1, its visitor gets a readable answer, other visitors
// notice nothing, and the relay survives.

import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { fuzz } from './fuzz.ts'
import { http1App, makeAnswer } from './http1-app.ts'
import type { Http1Answer } from './http1-app.ts'
import { RelayUnderFuzz } from './relay-under-fuzz.ts'
import { problemOf, visit } from './visitors.ts'

describe('an app that answers oddly in HTTP/1.1', () => {
  const answers = new Map<number, Http1Answer>()
  /** Requests that may meet bytes of the previous answer, and whether that one must have no body. */
  const late = new Map<number, boolean>()
  let app: Server
  let relay: RelayUnderFuzz
  before(async () => {
    app = http1App(
      (number) => answers.get(number),
      (number, wasBodiless) => late.set(number, wasBodiless),
    ).listen(0, '127.0.0.1')
    await once(app, 'listening')
    const { port } = app.address() as AddressInfo // it listens on a port
    relay = await RelayUnderFuzz.start({
      edges: ['app'],
      tunnels: [{ upstream: `http://127.0.0.1:${port}`, labels: ['edge=edg_app'] }],
    })
  })
  after(async () => {
    await relay.close()
    app.close()
  })

  it('S2, B1, B2, B6: harms nobody but itself', async (test) => {
    await fuzz(test, {
      relay,
      sample: 500,
      lanes: 12,
      make: makeAnswer,
      show: ({ visitor, pieces, end }) => `${visitor} ← ${pieces.map(({ afterMs, text }) => `${afterMs ? `${afterMs} ms ` : ''}${JSON.stringify(text)}`).join(' ')} ${end}`, // prettier-ignore
      async play(answer, number) {
        answers.set(number, answer)
        const got = await visit(answer.visitor, relay.port, 'app.localhost', `/c${number}`)
        answers.delete(number)
        const wasBodiless = late.get(number)
        late.delete(number)
        if (wasBodiless === false) return problemOf(got) // only the app could have kept them apart
        const from = got.headers['x-case']
        if (
          from !== undefined &&
          !String(from)
            .split(', ')
            .every((each) => each === String(number))
        ) {
          return `a visitor gets the answer to another one: ${String(from)}`
        }
        if (answer.isPlain && wasBodiless === undefined && (got.status !== 200 || !got.isWhole)) {
          return `an ordinary answer does not arrive: ${JSON.stringify(got)}`
        }
        return problemOf(got)
      },
    })
  })
})
