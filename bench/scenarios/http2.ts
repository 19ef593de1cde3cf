// Visitors who speak HTTP/2, with prior knowledge; every chain that understands HTTP asks the app over HTTP/1.1.

import { h2load } from '../load/h2load.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import { measureRequests } from './requests.ts'

const CONNECTIONS = 5
const STREAMS = 10

export const http2: Scenario = {
  name: 'http2',
  title: 'HTTP/2',
  isCore: false,
  needs: { h2load: 'apt-get install nghttp2-client' },
  method: ({ seconds }) =>
    `The 13-byte file over HTTP/2 without TLS, from h2load: ${CONNECTIONS} connections with ${STREAMS} streams each, ${seconds} s a round. TCP
tunnels cannot tell which protocol they carry, so they are not in this table.`,
  async run(bed, plan) {
    const chains = (await bed.chains()).filter(({ http2Port }) => http2Port !== undefined)
    return measureRequests(chains, plan, {
      load: ({ http2Port = 0, headers }, seconds) =>
        h2load(http2Port, { path: SMALL_PATH, headers, connections: CONNECTIONS, streams: STREAMS, seconds }),
    })
  },
}
