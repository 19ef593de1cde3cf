// Reads a file that a command names, with a bound.

import { readFile, stat } from 'node:fs/promises'

import { whyUnreadable } from '../config/why-unreadable.ts'
import { ConfigError } from '../errors.ts'

const FILE_MAX_BYTES = 1024 * 1024

/** @param what it should be, for the error: `a policy`. @throws ConfigError if it cannot be read, or is too large */
export async function readText(file: string, what: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > FILE_MAX_BYTES) throw new ConfigError([{ path: file, message: `is too large to be ${what}` }])
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([{ path: file, message: whyUnreadable(file, error) }], { cause: error })
  }
}
