// Makes a folder and the missing ones above it. mkdir's own `recursive` never ends if an existing parent answers
// ENOENT, as /proc does (Node.js 24.21): it makes the parent and tries again, endlessly.

import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * New folders are for their owner only.
 * @throws the system's error: ENOENT if none can be made there, ENOTDIR, EACCES …
 */
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
    // Another process may have been faster; if a file is in its place, the user of the folder finds it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // fs only throws these
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
