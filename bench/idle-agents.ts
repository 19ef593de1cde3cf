// Opens many tunnel sessions that do nothing, from one process, and prints {"online": …, "seconds": …} each time that
// one more of the asked-for numbers is online. Usage: idle-agents.ts SERVER NUMBER…, the authtoken in the environment.

import { once } from 'node:events'
import { createInterface } from 'node:readline'

import { startAgent } from '@sallyport/agent'
import { pino } from 'pino'

const AT_ONCE = 100 // handshakes under way; more only wait in the relay's backlog

const [server = '', ...numbers] = process.argv.slice(2)
const log = pino({ level: 'silent' })
let online = 0

async function openOne(): Promise<void> {
  const agent = startAgent({
    server,
    authtoken: process.env.SALLYPORT_AUTHTOKEN,
    log,
    connections: 1,
    tunnels: [{ upstream: 'http://127.0.0.1:9', labels: ['edge=edg_idle'] }],
  })
  await once(agent, 'online')
}

process.once('SIGTERM', () => process.exit(0))
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
for (const number of numbers.map(Number)) {
  const started = performance.now()
  let opening = online
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      while (opening < number) {
        opening++
        await openOne()
        online++
      }
    }),
  )
  console.log(JSON.stringify({ online, seconds: (performance.now() - started) / 1000 }))
  await lines.next() // until the measurement is done
}
