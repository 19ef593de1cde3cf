// Small requests over kept connections: the cost of a request.

import { wrk } from '../load/wrk.ts'
import type { Scenario } from '../scenario.ts'
import { SMALL_PATH } from '../testbed.ts'
import { measureRequests, together } from './requests.ts'

const CONNECTIONS = [50, 1, 500]

export const smallRequests: Scenario = {
  name: 'small-requests',
  title: 'Small requests',
  isCore: true,
  method: ({ seconds }) =>
    `A 13-byte file of nginx over kept connections, from wrk with one thread, ${seconds} s a round.
"Signed in" also checks the visitor's session and adds the identity headers and the signed identity to each request.`,
  async run(bed, plan) {
    const chains = await bed.chains()
    const findings = []
    for (const connections of CONNECTIONS) {
      findings.push(
        await measureRequests(chains, plan, {
          caption: `**${connections} ${connections === 1 ? 'connection' : 'connections'}**`,
          suffix: ` at ${connections}`,
          load: ({ port, headers }, seconds) =>
            wrk(`http://127.0.0.1:${port}${SMALL_PATH}`, { headers, connections, seconds }),
        }),
      )
    }
    return together(findings)
  },
}
