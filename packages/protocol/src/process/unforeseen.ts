// How a command ends after an unforeseen error: with one line, never with a stack, which tells a person nothing. It
// imports none of our files, so that it is loaded before anything else can fail.

import { writeSync } from 'node:fs'

const STDERR_FD = 2
const FAILED = 1

/** One line: the error, and for a developer its place in the code. */
export function explainUnforeseen(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  // From the system: `ENOSPC: no space left on device, write`. Not a fault of ours.
  if ('syscall' in thrown) return thrown.message
  const place = /\(?(?:file:\/\/)?([^\s()]+:\d+):\d+\)?$/.exec(thrown.stack?.split('\n').find(isPlace) ?? '')?.[1]
  return `${thrown.name}: ${thrown.message}${place === undefined ? '' : ` (${place.split('/').slice(-2).join('/')})`}`
}

/**
 * From here on nothing ends this process with a stack, and a reader that stops early (`relay session list | head -1`)
 * is no error. Output that cannot be written for another reason is a failure.
 * @returns a function that leaves uncaught exceptions to other code
 */
export function endWithOneLine(command: string): () => void {
  const onUncaught = (thrown: unknown): void => {
    tell(`${command}: ${explainUnforeseen(thrown)}`)
    process.exit(FAILED)
  }
  process.on('uncaughtException', onUncaught)
  for (const [name, stream] of [
    ['standard output', process.stdout],
    ['standard error', process.stderr],
  ] as const) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return
      process.exitCode = FAILED
      tell(`${command}: ${name} cannot be written: ${explainUnforeseen(error)}`)
    })
  }
  return () => process.off('uncaughtException', onUncaught)
}

/** Not by process.stderr, which may be the part that failed. */
function tell(line: string): void {
  try {
    writeSync(STDERR_FD, `${line}\n`)
  } catch {
    // nobody can be told
  }
}

function isPlace(line: string): boolean {
  return line.startsWith('    at ') && !line.includes('node:')
}
