// Waits until a relay that runs uses a change of an edge of the store, and says so: "saved" is not "in use".

import type { StoredEdgeInUse } from '../../edge/stored/stored-edge.ts'
import { setTimeout } from 'node:timers/promises'

import type { StoredEdgeEverywhere } from '../../operator/resources.ts'
import { RelayUnreachable, RunningRelay } from '../running/ask-relay.ts'
import type { StoreOption } from '../stored/with-store.ts'

const DEADLINE_MS = 3000 // it takes 0.2 s; a worker that starts meanwhile may take longer
const PAUSE_MS = 10

/**
 * @param revision of the change; undefined for a deletion
 * @returns a sentence, and whether the edge is as it should be
 */
export async function awaitInUse(
  id: string,
  revision: number | undefined,
  options: StoreOption,
): Promise<{ sentence: string; isGood: boolean }> {
  try {
    const relay = await RunningRelay.of(options)
    const until = performance.now() + DEADLINE_MS
    for (;;) {
      const { processes, silent_workers = 0 } = await relay.get<StoredEdgeEverywhere>(`edges/${id}/in-use`)
      const late = processes.filter((each) => !hasIt(each, revision)).length + silent_workers
      if (late === 0) return verdictOf(processes, revision)
      if (performance.now() > until) {
        const sentence = `Saved, but ${late} of ${processes.length + silent_workers} processes of the relay do not use it yet; see its log.`
        return { sentence, isGood: false }
      }
      await setTimeout(PAUSE_MS)
    }
  } catch (error) {
    if (!(error instanceof RelayUnreachable)) throw error
    const sentence = error.isAbsent
      ? 'Saved. No relay runs on this store; one that starts will use it.'
      : `Saved. ${error.message}`
    return { sentence, isGood: true }
  }
}

function hasIt({ state, revision: has = 0 }: StoredEdgeInUse, revision: number | undefined): boolean {
  return revision === undefined ? state === 'absent' : has >= revision
}

function verdictOf(
  processes: readonly StoredEdgeInUse[],
  revision: number | undefined,
): { sentence: string; isGood: boolean } {
  const broken = processes.find(({ state }) => state === 'broken')
  if (broken) return { sentence: `Saved, but nobody can visit it: ${broken.problems.join('; ')}`, isGood: false }
  if (processes.some(({ state }) => state === 'shadowed')) {
    const sentence = 'Saved, but relay.yml has an edge with this id, which takes precedence. This one serves nobody.'
    return { sentence, isGood: false }
  }
  const where = processes.length === 1 ? '' : ` by all ${processes.length} workers`
  return { sentence: `Saved, and ${revision === undefined ? 'no longer used' : 'in use'}${where}.`, isGood: true }
}
