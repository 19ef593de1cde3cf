// Makes a folder and those above it that are missing. mkdir's own `recursive` never ends where a parent that exists
// answers ENOENT, as /proc does (Node.js 24.21): it makes the parent, and tries again, for good.

import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** New folders are for their owner only. @throws the system's error: ENOENT where none can be made there, ENOTDIR, EACCES … */
export function makeFolder(path: string): void {
  const missing: string[] = []
  let folder = resolve(path)
  while (!exists(folder)) {
    missing.push(folder)
    const parent = dirname(folder)
    if (parent === folder) break
    folder = parent
  }
  for (const each of missing.toReversed()) makeOne(each)
}

function makeOne(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    // Somebody else may have been faster; a file at its place is found by whoever uses the folder.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // fs only throws these
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
