// One of several processes that serve a relay's ports. It obeys only the channel: signals reach every process of a
// terminal or a service at once, but only the supervisor knows the order.
//
//   waiting ──start──▶ serving ──drain, or the supervisor is gone──▶ draining ──all_finished──▶ exit

import { STOP_SIGNALS } from '@sallyport/protocol/signals'
import { holdHeap, tuneForWork } from '@sallyport/protocol/tune-v8'

import type { Config } from '../config/config.ts'
import { parseSource } from '../config/load-config.ts'
import { ConfigError } from '../errors.ts'
import { openLog } from '../log.ts'
import type { ProcessLog } from '../log.ts'
import { startRelay } from '../relay.ts'
import type { Relay } from '../relay.ts'
import type { PassedCounts } from '../policy/rate-limit/shared-counts.ts'
import { ChannelDirectory } from './channel-directory.ts'
import type { FromWorker, ReloadOutcome, ToWorker, WorkerPlan } from './messages.ts'

const LAST_LINES_MS = 1000 // for the reader of the log, after everything else

/** @param leaveUncaught removes the process's own handling of uncaught exceptions, which it has until it has a log */
export async function runWorker(leaveUncaught: () => void): Promise<void> {
  for (const signal of [...STOP_SIGNALS, 'SIGHUP']) process.on(signal, ignore)
  const started = Promise.withResolvers<WorkerPlan>()
  process.on('message', (message: ToWorker) => {
    if (message.type === 'start') started.resolve(message.plan)
  })
  process.once('disconnect', () => process.exit(1)) // until there is something to drain
  const plan = await started.promise
  try {
    await serve(plan, leaveUncaught)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    // Its supervisor informs the operator; this process ends when the channel does.
    send({ type: 'refused', problems: error.problems })
  }
}

async function serve(plan: WorkerPlan, leaveUncaught: () => void): Promise<void> {
  const config = onPorts(await parseSource(plan.config, process.env), plan.ports)
  const { log: common, output } = openLog({ ...config.log, ...plan.log, isShared: true })
  const log = common.child({ worker: plan.number })
  leaveUncaught()
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception')
    process.exit(1)
  })
  const directory = new ChannelDirectory(plan.nodeIds, send)
  const attemptListeners = new Map<string, (address: string) => void>()
  let hearPassed: (counts: PassedCounts) => void = ignore
  const allFinished = Promise.withResolvers<void>()
  const starting = startRelay(config, {
    log,
    logOutput: output,
    env: process.env,
    node: { nodeId: plan.nodeId, directory, link: plan.link, secret: Buffer.from(plan.secret, 'base64') },
    worker: {
      attempts: {
        tell: (of, address) => send({ type: 'attempted', of, address }),
        listen: (of, listener) => attemptListeners.set(of, listener),
      },
      counts: {
        tell: (counts) => send({ type: 'passed', counts }),
        listen: (listener) => (hearPassed = listener),
      },
      tellStoreLoss: (reason) => send({ type: 'store_loss', ...(reason !== undefined && { reason }) }),
      othersFinished: () => {
        send({ type: 'finished' })
        if (!process.connected) allFinished.resolve() // the supervisor is gone
        return allFinished.promise
      },
    },
  })
  /** The supervisor sends this only after it has heard that the relay runs. */
  const tell = (work: (relay: Relay) => void | Promise<void>): void => void starting.then(work, ignore)
  process.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'start':
        return
      case 'heard':
        return directory.hear(message.event)
      case 'attempted':
        return attemptListeners.get(message.of)?.(message.address)
      case 'passed':
        return hearPassed(message.counts)
      case 'measure':
        return tell((relay) => measure(relay, message.id))
      case 'ask':
        return tell((relay) => send({ type: 'answered', id: message.id, answer: relay.answer(message.question) }))
      case 'reload':
        return tell(async (relay) =>
          send({ type: 'reloaded', id: message.id, outcome: await reload(relay, message.config) }),
        )
      case 'drain':
        return tell((relay) => drain(relay, { log, output }))
      case 'all_finished':
        return allFinished.resolve()
    }
  })
  const relay = await starting
  process.removeAllListeners('disconnect').once('disconnect', () => {
    log.error('the supervisor is gone')
    allFinished.resolve()
    void drain(relay, { log, output })
  })
  tuneForWork()
  holdHeap()
  const { http, https } = relay.addresses
  send({ type: 'started', addresses: { ...(http && { http: http.port }), ...(https && { https: https.port }) } })
}

async function drain(relay: Relay, { log, output }: ProcessLog): Promise<void> {
  try {
    await relay.close()
  } catch (error) {
    log.error({ err: error }, 'draining failed')
  }
  await output.drained(LAST_LINES_MS)
  process.exit(0) // nothing may keep a stopped relay alive
}

async function measure(relay: Relay, id: number): Promise<void> {
  send({ type: 'measured', id, metrics: await relay.metrics() })
}

async function reload(relay: Relay, source: WorkerPlan['config']): Promise<ReloadOutcome> {
  try {
    return { edges: await relay.reload(await parseSource(source, process.env)) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { problems: error.problems }
  }
}

function onPorts(config: Config, ports: WorkerPlan['ports']): Config {
  const { http, https } = config.listen
  const listen = {
    ...config.listen,
    ...(http && { http: { ...http, port: ports.http ?? http.port } }),
    ...(https && { https: { ...https, port: ports.https ?? https.port } }),
  }
  return { ...config, listen }
}

/** A supervisor that is gone gets no messages, and needs none. */
function send(message: FromWorker): void {
  process.send?.(message, undefined, undefined, ignore)
}

function ignore(): void {}
