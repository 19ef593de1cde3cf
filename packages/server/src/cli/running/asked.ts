// Runs a command that asks a running relay: exit code 1 with a sentence if none answers.

import type { StoreOption } from '../stored/with-store.ts'
import { RelayUnreachable, RunningRelay } from './ask-relay.ts'

/** @throws ConfigError if the configuration does not say where the store is */
export async function withRunningRelay(
  options: StoreOption,
  work: (relay: RunningRelay) => Promise<void>,
): Promise<void> {
  try {
    const relay = await RunningRelay.of(options)
    await work(relay)
    const { silentWorkers } = relay
    if (silentWorkers === 0) return
    const who = silentWorkers === 1 ? 'A worker' : `${silentWorkers} workers`
    console.error(`${who} of the relay did not answer in time; what ends there is missing here.`)
  } catch (error) {
    if (!(error instanceof RelayUnreachable)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
