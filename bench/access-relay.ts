// A relay whose access lines can be switched on and off while it runs, for the scenario access-line. Its log goes to standard
// output. Each line of standard input is a level for the log, `info` or `warn`; standard error then gets the
// microseconds of CPU since the previous level. Its first line is the port and an authtoken.

import { createInterface } from 'node:readline'

import { tuneForLoading, tuneForWork } from '@sallyport/protocol/tune-v8'

import { openLog } from '../packages/server/src/log.ts'
import { loadConfig, startRelay } from '../packages/server/src/relay.ts'

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
let before = process.cpuUsage()
const orders = createInterface({ input: process.stdin })
orders.on('line', (level) => {
  const { user, system } = process.cpuUsage(before)
  log.level = level
  console.error(user + system)
  before = process.cpuUsage()
})
orders.on('close', () => void relay.destroy())
