// How the process collects garbage. Both commands call it first.

import { setFlagsFromString } from 'node:v8'

/**
 * Bulk transfers make and drop a 64 KiB buffer for every read of a socket. V8 counts these beside the heap, and with a
 * heap as small as ours it would collect all of it every 9 MB: half of the time of a download (measured: 3.4 s of CPU
 * for a gigabyte at the relay, 1.2 s with this). So the heap may grow to four times its live size between full
 * collections; small objects die in the young generation as before.
 */
export function tuneHeap(): void {
  setFlagsFromString('--heap-growing-percent=300')
}
