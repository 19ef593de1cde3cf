// Why a named file cannot be read, and what to do about it: the end of a sentence.

import { resolve } from 'node:path'

/**
 * @param error of node:fs; @param file its full path, because a relative path does not say in which folder the relay
 * has looked
 */
export function whyUnreadable(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const path = resolve(file)
  switch (code) {
    case 'ENOENT':
      return `there is no such file: ${path}; correct the path, or put the file there`
    case 'ENOTDIR':
      return `there is no such file: ${path}; a part of the path is a file, not a folder`
    case 'EISDIR':
      return `${path} is a folder; name the file in it`
    case 'EACCES':
    case 'EPERM':
      return `this user may not read ${path}; change the owner or mode of the file, or of a folder above it`
    default:
      return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`
  }
}
