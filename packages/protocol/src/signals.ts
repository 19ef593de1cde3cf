// Signals that mean something else to Node than to those who send them.

/** SIGUSR1 makes Node open its debugger, to everybody on the machine. Whoever sends it means a log, as to other programs. */
export function refuseDebugger(): void {
  process.on('SIGUSR1', () => {})
}

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
