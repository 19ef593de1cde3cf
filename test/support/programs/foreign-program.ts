// A third-party program, which may not be installed: runs in the foreground, from its first connection until it is ended
// by its id. It ends with the test process.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

const START_DEADLINE_MS = 10_000
// Debian's folders for servers, which are not in every user's PATH.
const ENVIRONMENT = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

export class ForeignProgram {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #onExit = (): void => void this.#child.kill('SIGKILL')

  /** Use `ForeignProgram.start`. */
  constructor(child: ChildProcess) {
    this.#child = child
    this.#exited = once(child, 'exit')
    process.on('exit', this.#onExit)
    void this.#exited.then(() => process.off('exit', this.#onExit))
  }

  /** @param port of 127.0.0.1, on which it takes connections once it has started */
  static async start(command: string, args: readonly string[], port: number): Promise<ForeignProgram> {
    const child = spawn(command, args, { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const output of [child.stdout, child.stderr]) output.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const program = new ForeignProgram(child)
    const deadline = Date.now() + START_DEADLINE_MS
    while (!(await takesConnections(port))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await program.stop('SIGKILL')
        throw new Error(`${command} does not listen at ${port}: ${said}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return program
  }

  /** Resolves when it has ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
    await this.#exited
  }
}

/** Whether the program is installed; its answer does not matter. */
export function isInstalled(command: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(command, args, { env: ENVIRONMENT }, (error) =>
      resolve((error as NodeJS.ErrnoException)?.code !== 'ENOENT'),
    )
  })
}

async function takesConnections(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isThere = await once(socket, 'connect').then(
    () => true,
    () => false, // refused
  )
  socket.destroy()
  return isThere
}
