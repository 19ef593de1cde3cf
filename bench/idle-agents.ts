// Opens many tunnel sessions that do nothing, from one process. Usage: idle-agents.ts SERVER COUNT, token in the environment.

import { once } from 'node:events'

import { startAgent } from '@sallyport/agent'
import { pino } from 'pino'

const [server = '', count = '0'] = process.argv.slice(2)
const log = pino({ level: 'silent' })
for (let opened = 0; opened < Number(count); opened += 50) {
  await Promise.all(
    Array.from({ length: Math.min(50, Number(count) - opened) }, async () => {
      const agent = startAgent({
        server,
        authtoken: process.env.SALLYPORT_AUTHTOKEN,
        log,
        connections: 1, // what is measured is a session
        tunnels: [{ upstream: 'http://127.0.0.1:9', labels: ['edge=edg_idle'] }],
      })
      await once(agent, 'online')
    }),
  )
}
console.log('ready')
process.once('SIGTERM', () => process.exit(0))
