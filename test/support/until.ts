// Waiting that fails with a sentence: for changes without an event (a line of the log, a metric), and for events that
// may not come.

const DEADLINE_MS = 30_000 // more than any test needs, less than the runner allows a file
const PAUSE_MS = 5

/**
 * Looks again and again until a condition holds.
 * @param the condition, for the failure's message: "the relay logs the end of the session"
 * @throws if it does not hold in time, or looking fails
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
 * @param the event, for the failure's message; a function if the text is costly to make
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
  }, deadlineMs).unref() // the caller may have stopped waiting
  try {
    return await Promise.race([event, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
