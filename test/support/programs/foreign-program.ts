// A program that nobody here wrote and that may not be installed: in the foreground, from when it takes connections until
// it is ended by its id. Where the test process goes, it goes, too.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'

const START_DEADLINE_MS = 10_000
// Where Debian keeps servers, which is not on the path of every user.
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

  /** @param port of 127.0.0.1, where it takes connections once it has started */
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

  /** Resolves when it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
    await this.#exited
  }
}

/** Whether the program is installed, whatever it answers. */
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
