// Waiting that ends with a sentence: for what nothing tells of (a line of the log, a metric), and for events that may not come.

const DEADLINE_MS = 30_000 // above what any test needs, below where the runner ends a whole file without a word
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

/**
 * Waits for an event.
 * @param what is waited for, which the failure says; a function where it takes work to say it
 */
export async function within<T>(
  what: string | (() => string),
  event: Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const words = typeof what === 'string' ? what : what()
    late.reject(new Error(`waited ${deadlineMs / 1000} s in vain: ${words}`))
  }, deadlineMs).unref() // nobody may be waiting any more
  try {
    return await Promise.race([event, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
