// Waiting for what nothing tells of: a line of the log, a metric. Whatever can be waited for by an event is.

const DEADLINE_MS = 20_000 // far above what any test needs, below where the runner ends a whole file without a word
const PAUSE_MS = 5

/**
 * Looks again and again until something is so.
 * @param what is waited for, which the failure says: "the relay logs the end of the session"
 * @throws where it has not come in time, or looking fails
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { deadlineMs = DEADLINE_MS, pauseMs = PAUSE_MS } = {},
): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs / 1000} s in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}
