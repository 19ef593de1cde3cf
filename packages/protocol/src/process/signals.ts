// Signals that mean something else to Node than to those who send them.

/**
 * SIGUSR1 makes Node open its debugger, to everybody on the machine, and SIGUSR2 ends it. Whoever sends them means a log or
 * a new binary, as to other programs, and gets nothing.
 */
export function ignoreUserSignals(): void {
  process.on('SIGUSR1', ignore).on('SIGUSR2', ignore)
}

/** What asks for an orderly end: SIGQUIT as well, by Ctrl-\ or by the habits of nginx. Without a listener it cuts everything. */
export const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const satisfies readonly NodeJS.Signals[]

/**
 * SIGHUP says that the terminal is gone, which ends what runs in it: in order, not at once. Where no terminal is written to,
 * it is somebody who means a reload, or a shell that ends under `nohup`, which Node cannot tell: it takes the signal back
 * from being ignored. That ends nothing.
 * @returns how not to listen any more
 */
export function onHangUp(whenTerminalIsGone: () => void, otherwise: () => void): () => void {
  const isOnTerminal = process.stdout.isTTY || process.stderr.isTTY
  const listener = isOnTerminal ? whenTerminalIsGone : otherwise
  process.on('SIGHUP', listener)
  return () => process.off('SIGHUP', listener)
}

function ignore(): void {
  // A signal with a listener does not end the process.
}
