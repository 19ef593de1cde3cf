// A real HAProxy in front of a relay, as a separate process.

import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import { ForeignProgram } from './foreign-program.ts'
import { freePort } from '../processes.ts'

const FOLDERS = ['/usr/sbin', ...(process.env.PATH ?? '').split(delimiter)] // Debian's folder is in no user's PATH
const program = FOLDERS.map((folder) => join(folder, 'haproxy')).find((path) => existsSync(path))

/** Why it is missing here; false if it is installed. */
export const NO_HAPROXY = program === undefined && 'no haproxy on this machine (on Debian: apt-get install haproxy)'

export interface Haproxy<Name extends string> {
  /** The ports on which it listens. */
  ports: Record<Name, number>
  close(): Promise<void>
}

/**
 * @param listeners by name: the words after the address in `bind`, and in `server`, e.g. ` proto h2`
 * @param lines further lines for each listener, e.g. `option forwardfor`
 */
export async function startHaproxy<Name extends string>(
  relayPort: number,
  listeners: Record<Name, { front?: string; back?: string }>,
  lines: readonly string[] = [],
): Promise<Haproxy<Name>> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-haproxy-'))
  const file = join(folder, 'haproxy.cfg')
  const ports = {} as Record<Name, number> // filled below
  let text =
    'defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n  timeout tunnel 30s\n'
  for (const name of Object.keys(listeners) as Name[]) {
    const { front = '', back = '' } = listeners[name]
    ports[name] = await freePort()
    const own = [`bind 127.0.0.1:${ports[name]}${front}`, ...lines, `server relay 127.0.0.1:${relayPort}${back}`]
    text += `listen ${name}\n${own.map((line) => `  ${line}\n`).join('')}`
  }
  await writeFile(file, text)
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  // HAProxy binds all its addresses before it accepts a connection. Tests check NO_HAPROXY first.
  const [first] = Object.values<number>(ports)
  const running = await ForeignProgram.start(program!, ['-db', '-f', file], first!).catch(async (error: unknown) => {
    await remove()
    throw new Error(`HAProxy does not start by:\n${text}`, { cause: error })
  })
  const close = async (): Promise<void> => {
    await running.stop('SIGKILL')
    await remove()
  }
  return { ports, close }
}
