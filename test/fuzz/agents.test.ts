// S2: bytes of an agent with a valid authtoken, in its control messages or in the frames that carry them, end at most
// its own session, together with its tunnels.

import { after, before, describe, it } from 'node:test'

import { HandAgent } from '../support/hand-agent.ts'
import { makeAgent, showAgent } from './agents.ts'
import type { AgentDeed } from './agents.ts'
import { fuzz } from './fuzz.ts'
import { RelayUnderFuzz } from './relay-under-fuzz.ts'
import { problemOf, visit } from './visitors.ts'

const HOST = 'fuzzed.localhost'
const LEAVE_MS = 10 // lets the relay read these bytes before the connection ends

describe('an agent that sends odd bytes', () => {
  let relay: RelayUnderFuzz
  before(async () => {
    relay = await RelayUnderFuzz.start({
      edges: ['fuzzed'],
      tunnels: [],
    })
  })
  after(() => relay.close())

  it('S2: ends its own session at most', async (test) => {
    await fuzz(test, {
      relay,
      sample: 400,
      lanes: 6,
      make: makeAgent,
      show: showAgent,
      async play({ deeds, end }, number) {
        const agent = await HandAgent.connect(relay, relay.authtoken)
        const visits: Promise<string | undefined>[] = []
        try {
          for (const deed of deeds) {
            if (agent.isOver) break
            await act(agent, deed, () => {
              const path = `/c${number}`
              visits.push(visit(number % 2 === 0 ? '1 GET' : '2 POST', relay.port, HOST, path).then(problemOf))
            })
          }
          await pause(LEAVE_MS)
        } finally {
          if (end === 'control') agent.stream.destroy()
          else if (end === 'close') agent.session.destroy()
          agent.close()
        }
        return (await Promise.all(visits)).find((problem) => problem !== undefined)
      },
    })
  })
})

async function act(agent: HandAgent, deed: AgentDeed, ask: () => void): Promise<void> {
  switch (deed.what) {
    case 'message':
      return agent.sendText(deed.json)
    case 'bytes':
      return agent.sendBytes(deed.bytes)
    case 'frames':
      return agent.sendFrames(deed.bytes)
    case 'text':
      return agent.sendWebSocketText(deed.text)
    case 'reply':
      agent.onStream = (stream) => {
        stream.on('error', () => {}) // the relay may end it at any time
        stream.resume()
        if (deed.bytes.length > 0) stream.write(deed.bytes)
        if (deed.end === 'end') stream.end()
        if (deed.end === 'reset') setImmediate(() => stream.destroy())
      }
      return
    case 'visit':
      return ask()
    case 'wait':
      return pause(deed.ms)
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
