// A new connection for every request: the cost of accepting, and for tunnels of a stream.

import { wrk } from '../load/wrk.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import { measureRequests } from './requests.ts'

const CONNECTIONS = 50

export const newConnections: Scenario = {
  name: 'new-connections',
  title: 'A new connection for every request',
  isCore: false,
  method: ({ seconds }) =>
    `As small requests at ${CONNECTIONS} connections, with \`Connection: close\` in each; ${seconds} s a round. Reverse proxies and
Sallyport still keep their connections to the app; a TCP tunnel has to open another one each time.`,
  async run(bed, plan) {
    return measureRequests(await bed.chains(), plan, {
      load: ({ port, headers }, seconds) =>
        wrk(`http://127.0.0.1:${port}${SMALL_PATH}`, {
          headers: { ...headers, Connection: 'close' },
          connections: CONNECTIONS,
          seconds,
        }),
    })
  },
}
