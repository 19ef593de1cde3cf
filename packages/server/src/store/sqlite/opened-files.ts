// Whether the files that SQLite has open are still the ones at their paths. After a file is deleted or replaced,
// processes that have it open could keep writing to it, and all these writes would be lost with their end.

import { existsSync, statSync } from 'node:fs'

/** The identity of the files at their opening. Plain values, so that they can be sent to a thread. */
export interface OpenedFiles {
  path: string
  /** Device and inode of each. An open file keeps its inode, so no other file can have it. */
  identities: readonly { suffix: string; identity: string }[]
}

// In WAL mode the latest writes are in -wal, and without a common -shm two processes do not see each other's writes.
// Both exist while any process has the database open.
const SUFFIXES = ['', '-wal', '-shm']

/** Call this after a connection has read, which opens all files. @throws an error for fileProblem() */
export function noteOpenedFiles(path: string): OpenedFiles {
  const open = SUFFIXES.filter((suffix) => suffix === '' || existsSync(`${path}${suffix}`)) // a disk without WAL has one
  return { path, identities: open.map((suffix) => ({ suffix, identity: identityOf(`${path}${suffix}`) })) }
}

/** A sentence for the operator if one of them is no longer the file at its path. Costs microseconds. */
export function lossOf({ path, identities }: OpenedFiles): string | undefined {
  for (const { suffix, identity } of identities) {
    const file = `${path}${suffix}`
    let now: string
    try {
      now = identityOf(file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException // fs only throws these
      return code === 'ENOENT' || code === 'ENOTDIR' ? gone(file, suffix) : `${file} cannot be checked (${code})`
    }
    if (now !== identity) return replaced(file, suffix)
  }
  return undefined
}

function identityOf(file: string): string {
  const { dev, ino } = statSync(file, { bigint: true }) // inodes of some systems have 64 bits
  return `${dev}:${ino}`
}

function gone(file: string, suffix: string): string {
  return suffix === ''
    ? `${file} was deleted or moved away while it was in use, and nothing can be kept; move it back, or stop the relay, ` +
        'put a copy in its place and start again (without one, authtokens and sign-ins are lost)'
    : `${file} was deleted while it was in use, and nothing can be kept; stop the relay in order (SIGTERM), which writes ` +
        'what was kept so far into the database, and start again'
}

function replaced(file: string, suffix: string): string {
  return suffix === ''
    ? `another file was put in the place of ${file} while it was in use, and nothing can be kept; restart the relay to ` +
        'use that one, or move the former one back'
    : `another file has replaced ${file}, and nothing can be saved; restart the relay`
}
