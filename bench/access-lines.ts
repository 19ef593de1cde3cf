// What one access line takes by itself: made, gathered and written to standard output, in a process that does nothing else.
// The scenario access-line runs it; by itself: node_modules/.bin/node bench/access-lines.ts > FILE
// Standard error gets the microseconds of CPU for a line, all threads and the kernel included; the median of its rounds.

import { setImmediate } from 'node:timers/promises'

import { AccessLog } from '../packages/server/src/exchange/access-log.ts'
import type { Exchange } from '../packages/server/src/exchange/exchange.ts'
import { openLog } from '../packages/server/src/log.ts'

const ROUNDS = 7
const WARM_LINES = 200_000
const LINES = 300_000
const LINES_A_TURN = 20 // of the event loop, as under load

const { log: logger, output } = openLog({ level: 'info', format: 'json' })
const log = new AccessLog(logger)
const exchanges = Array.from({ length: 1000 }, (_, index) => exchangeOf(index))

await write(WARM_LINES)
const rounds: number[] = []
for (let round = 0; round < ROUNDS; round++) {
  const before = process.cpuUsage()
  await write(LINES)
  const { user, system } = process.cpuUsage(before)
  rounds.push((user + system) / LINES)
}
await output.drained(1000)
console.error(rounds.toSorted((one, other) => one - other)[ROUNDS >> 1]?.toFixed(2))

async function write(lines: number): Promise<void> {
  const now = performance.now()
  for (let line = 0; line < lines; line++) {
    log.write(exchanges[line % exchanges.length]!, now + line / 30) // 30,000 a second
    if (line % LINES_A_TURN === 0) await setImmediate()
  }
}

function exchangeOf(index: number): Exchange {
  const line = {
    startedAt: performance.now(),
    requestId: `req_x8k2pq${index.toString(36)}`,
    method: 'GET',
    host: 'docs.example.com',
    path: `/guide/${index}`,
    status: 200,
    clientIp: '203.0.113.7',
    edgeId: 'edg_docs',
    tunnelId: 'tun_b0un7zjsK7svtaQN1tTSHt',
    user: 'ada@example.com',
    error: undefined,
    cutReason: undefined,
  }
  return line as unknown as Exchange // all that a line is made of
}
