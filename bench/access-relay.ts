// A relay whose access lines can be switched on and off while it runs, for the scenario access-line. Its log goes to
// standard output. Each line of standard input is a level for the log, `info` or `warn`; standard error then gets the work
// of the relay since the previous level: microseconds of CPU, requests and milliseconds. Its first line is the port and an
// authtoken.

import { createInterface } from 'node:readline'

import { tuneForLoading, tuneForWork } from '@sallyport/protocol/tune-v8'

import { openLog } from '../packages/server/src/log.ts'
import { loadConfig, startRelay } from '../packages/server/src/relay.ts'

const DRAIN_MS = 1000

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error('node_modules/.bin/node bench/access-relay.ts relay.yml > FILE')
  process.exit(2)
}
tuneForLoading()
const { log, output } = openLog({ level: 'info', format: 'json' })
const relay = await startRelay(await loadConfig({ file, env: process.env }), {
  log,
  logOutput: output,
  env: process.env,
})
tuneForWork()
const { token } = await relay.authtokens.create({ acl: [] })
console.error(`${relay.addresses.http?.port} ${token}`)
let before = await spent()
for await (const level of createInterface({ input: process.stdin })) {
  log.level = 'warn' // otherwise steady lines would be written a few at a time
  await output.drained(DRAIN_MS) // the write of a line is a part of its cost
  const { cpu, requests, at } = await spent()
  log.level = level
  console.error(`${cpu - before.cpu} ${requests - before.requests} ${at - before.at}`)
  before = await spent()
}
await relay.destroy()

async function spent(): Promise<{ cpu: number; requests: number; at: number }> {
  const { user, system } = process.cpuUsage()
  const at = performance.now()
  const metrics = (await relay.metrics()) as { name: string; values: { value: number }[] }[] // as prom-client makes it
  const exchanges = metrics.find(({ name }) => name === 'sallyport_exchanges_total')
  if (!exchanges) throw new Error('the relay does not count its exchanges')
  return { cpu: user + system, requests: exchanges.values.reduce((sum, { value }) => sum + value, 0), at }
}
