// How V8 spends memory and time over the life of a process. Both commands call it; it imports none of our files, so
// that it can run before anything else is loaded.

import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Both halves of it. Beyond this nothing gets faster: 500 visitors at once cost the same as with four times as much.
const YOUNG_GENERATION_BYTES = 2 * 16 * 1024 * 1024
// A relay with few agents never has so much in its old generation, whatever its visitors do: it has 12 MB, and V8
// collects before four times that.
const LARGE_OLD_GENERATION_BYTES = 56 * 1024 * 1024
// Without bulk transfers, buffers outside the heap grow or shrink by no more than this between two looks; so many such
// looks in a row mean that no bulk transfer is under way.
const BULK_BYTES = 8 * 1024 * 1024
const QUIET_LOOKS = 10
const GROWING_PERCENT = 300
const GROWING_PERCENT_OF_LARGE = 20
const COLLECT_EVERY_MS = 10 * 60_000 // at most: it takes some 60 ms where ten thousand agents are
const LOOK_MS = 200 // three thousand agents a second need half a second for one doubling

/**
 * For the start, before anything else is loaded.
 *
 * Bulk transfers make and drop a 64 KiB buffer for every read of a socket. V8 counts these beside the heap, and with a
 * heap as small as ours it would collect all of it every 9 MB: half of the time of a download (measured: 3.4 s of CPU
 * for a gigabyte at the relay, 1.2 s with this). So the heap may grow to four times its live size between full
 * collections; small objects die in the young generation as before.
 *
 * Loading runs everything once, so compiling any of it well is for nothing, and the optimizing compilers alone are 7 MB
 * of Node.js's own code to be read in.
 */
export function tuneForLoading(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWING_PERCENT}`)
  setFlagsFromString('--no-opt')
  setFlagsFromString('--no-maglev')
}

/**
 * For the work, once loading is done: hot code is optimised from now on. The garbage of loading is given back: the
 * young generation grows to its full size meanwhile, and V8 would keep it (17 MB; the collection takes 30 ms).
 */
export function tuneForWork(): void {
  setFlagsFromString('--opt')
  setFlagsFromString('--maglev')
  // A process that is idle for some seconds would give back compiled code and feedback with its garbage, and each
  // request of the next seconds would cost a third more. The price: garbage stays until the process works again.
  setFlagsFromString('--memory-reducer-gc-count=0')
  collectGarbage('last-resort')
}

let gc: ((options: { type: 'major'; flavor: 'regular' | 'last-resort' }) => void) | undefined

/** Collects everything at once, which takes some 30 ms. It is only for garbage that V8 cannot know about. */
export function collectGarbage(flavor: 'regular' | 'last-resort' = 'regular'): void {
  if (!gc) {
    setFlagsFromString('--expose-gc')
    gc = runInNewContext('gc') as NonNullable<typeof gc> // the flag exposes it
  }
  gc({ type: 'major', flavor })
}

/**
 * For a process to which very many agents may connect at once. A look costs some microseconds. A PerformanceObserver
 * that reports each collection would instead make V8 collect everything ten times a second during downloads, which then
 * take a fifth longer.
 *
 * The young generation doubles whenever more has survived in it than it holds, up to 128 MiB, and is never given back
 * while the process works: a thousand agents that connect at once are enough. Only a flag of the command line can set
 * its limit; but V8 looks up the growth factor each time, so growth can be stopped between two collections.
 *
 * If the heap itself is large, it grows by a fifth between full collections, no longer to four times its live size: the
 * garbage of an idle agent's ping lives until the next ping, long enough to become old. With 5,000 agents that was 170
 * MB of garbage after nine minutes, and memory that was needed once is not given back. Each collection decides how far
 * the heap may grow until the next one, so this starts one: the previous one saw a small heap, or buffers. But not
 * during bulk transfers, which would then cost three times as much: their buffers come and go by megabytes.
 */
export function holdHeap(): void {
  let isHeld = false
  let isSparing = false
  let externalBefore = 0
  let quietLooks = 0
  let isCollectionDue = false
  let collectedAt = -Infinity
  setInterval(() => {
    const { young, old } = generations()
    const hold = young >= YOUNG_GENERATION_BYTES
    if (hold !== isHeld) setFlagsFromString(`--semi-space-growth-factor=${hold ? 1 : 2}`)
    isHeld = hold
    const external = getHeapStatistics().external_memory
    quietLooks = Math.abs(external - externalBefore) > BULK_BYTES ? 0 : quietLooks + 1
    externalBefore = external
    const spare = old > LARGE_OLD_GENERATION_BYTES && quietLooks >= QUIET_LOOKS
    if (spare !== isSparing)
      setFlagsFromString(`--heap-growing-percent=${spare ? GROWING_PERCENT_OF_LARGE : GROWING_PERCENT}`)
    isCollectionDue ||= spare && !isSparing
    isSparing = spare
    if (!spare || !isCollectionDue || performance.now() - collectedAt < COLLECT_EVERY_MS) return
    isCollectionDue = false
    collectedAt = performance.now()
    collectGarbage()
  }, LOOK_MS).unref()
}

/** Bytes of the young generation, and used bytes of the old one. */
function generations(): { young: number; old: number } {
  let [young, old] = [0, 0]
  for (const { space_name: name, space_size: size, space_used_size: used } of getHeapSpaceStatistics()) {
    if (name === 'new_space') young = size
    else if (name === 'old_space') old = used
  }
  return { young, old }
}
