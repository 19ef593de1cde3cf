// `relay start`: runs a relay until a signal ends it.

import { tuneForWork } from '@sallyport/protocol/tune-v8'

import { loadConfig } from '../config/load-config.ts'
import type { Config } from '../config/config.ts'
import { createLog } from '../log.ts'
import { startRelay } from '../server.ts'
import type { Relay } from '../server.ts'
import { RELAY_VERSION } from '../version.ts'

export async function start({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
}: {
  config?: string
}): Promise<void> {
  const config = await loadConfig({ ...(file !== undefined && { file }), env: process.env })
  const log = createLog(config.log)
  process.on('uncaughtException', (error) => {
    // Unknown state: say why, and let whoever supervises us start a fresh one.
    log.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
  const relay = await startRelay(config, { log, env: process.env })
  tuneForWork()
  const { http, https, admin } = relay.addresses
  log.info(
    { version: RELAY_VERSION, http: http?.port, https: https?.port, admin: admin.port, edges: config.edges.length },
    'relay started',
  )
  if (file === undefined) await welcome(relay, config)
  await untilSignal(relay)
  process.exit(0) // nothing may keep a stopped relay alive
}

/** Local mode is where people begin: tell them what there is and what to type next. */
async function welcome(relay: Relay, config: Config): Promise<void> {
  const server = config.public_url.origin
  const edge = config.edges[0]
  const lines = [
    `Sallyport relay ${RELAY_VERSION} in local mode (no --config given)`,
    '',
    `  Visitors   ${edge ? `${config.public_url.protocol}//${edge.hosts[0]}:${config.public_url.port}` : 'no edge'}`,
    `  Agents     ${server}`,
    `  Admin      http://127.0.0.1:${relay.addresses.admin.port}`,
    `  Store      ${config.store.path}`,
    '',
  ]
  if (relay.authtokens.size === 0) {
    const { token } = await relay.authtokens.create({ acl: [], description: 'first authtoken of local mode' })
    lines.push(
      'A first authtoken was made. It is shown only now. Run this beside your app:',
      '',
      `  agent tunnel --server ${server} --authtoken ${token} --label edge=${edge?.id ?? 'edg_local'} http://localhost:8000`,
      '',
      'or this, for an address of its own (agent http --help tells how to add sign-in):',
      '',
      `  agent http --server ${server} --authtoken ${token} 8000`,
    )
  } else {
    lines.push(
      'Run this beside your app (make an authtoken with: relay authtoken create):',
      '',
      `  agent tunnel --server ${server} --authtoken … --label edge=${edge?.id ?? 'edg_local'} http://localhost:8000`,
    )
  }
  process.stderr.write(`${lines.join('\n')}\n\n`)
}

/** The first SIGTERM or SIGINT drains; the second ends at once. */
async function untilSignal(relay: Relay): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      process.off('SIGTERM', stop).off('SIGINT', stop)
      process.on('SIGTERM', endAtOnce).on('SIGINT', endAtOnce)
      resolve()
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  })
  await relay.close()
}

function endAtOnce(): void {
  process.exit(1)
}
