// Finds the program that already listens at an address that the relay wants, because the operator will ask for it. On
// Linux, a user can find their own programs, and root can find all; other systems do not report it. This runs only if a
// relay cannot start.

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { basename } from 'node:path'

import { withoutControls } from '@sallyport/protocol/printable'

import type { ListenAddress } from '../config/config.ts'

const LISTENING = '0A' // proc_net(5): the number of the state in include/net/tcp_states.h
const NAME_MAX_CHARS = 40

/** Such as `node (process 4711)`; undefined if that cannot be found out. */
export function portHolder(address: ListenAddress): string | undefined {
  try {
    const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => socketsIn(`/proc/net/${table}`, address)))
    if (sockets.size === 0) return undefined
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && hasOneOf(sockets, name))
    if (pid === undefined) return undefined
    const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return `${withoutControls(basename(program).slice(0, NAME_MAX_CHARS))} (process ${pid})`
  } catch {
    return undefined // not Linux, or it has just ended
  }
}

/** The sockets that hold an address, as links of file descriptors name them. */
function socketsIn(table: string, { host, port }: ListenAddress): string[] {
  const wantedPort = port.toString(16).toUpperCase().padStart(4, '0')
  const wanted = host !== undefined && isIPv4(host) ? hexOf(host) : undefined
  return readFileSync(table, 'latin1')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => {
      const [ip = '', itsPort] = local.split(':')
      return state === LISTENING && itsPort === wantedPort && (!wanted || ip === wanted || /^0+$/.test(ip))
    })
    .map((fields) => `socket:[${fields[9]}]`)
}

/** In the kernel's format: the four bytes in the machine's order. */
function hexOf(ipv4: string): string {
  const bytes = Buffer.from(ipv4.split('.').map(Number))
  const number = new Uint32Array(new Uint8Array(bytes).buffer)[0]! // four bytes make one
  return number.toString(16).toUpperCase().padStart(8, '0')
}

function hasOneOf(sockets: ReadonlySet<string>, pid: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(linkOf(`/proc/${pid}/fd/${fd}`)))
  } catch {
    return false // another user's, or gone
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}
