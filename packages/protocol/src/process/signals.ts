// Signals that mean something else to Node than to their senders.

/**
 * SIGUSR1 makes Node open its debugger, to everybody on the machine, and SIGUSR2 ends it. Their senders mean reopening
 * a log or a new binary, as with other programs. Here both do nothing.
 */
export function ignoreUserSignals(): void {
  process.on('SIGUSR1', ignore).on('SIGUSR2', ignore)
}

/**
 * The signals for an orderly end: SIGQUIT as well, sent by Ctrl-\ or by people used to nginx. Without a listener it
 * cuts everything.
 */
export const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const satisfies readonly NodeJS.Signals[]

/**
 * SIGHUP says that the terminal is gone. A process that writes to it then ends: in order, not at once. For any other
 * process it means a reload, or a shell that ends under `nohup` (Node cannot see that: it resets ignored signals); it
 * ends nothing.
 * @returns a function that stops listening
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
