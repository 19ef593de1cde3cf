// Tests run the commands from source. With SALLYPORT_TEST_INSTALLED they run installed commands instead, with another
// Node.js if it names one: test/install does so.

import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** By the source of a command, below the clone: the program to run, and its entry file. */
export type Installed = Record<string, readonly [node: string, entry: string]>

const installed = JSON.parse(process.env['SALLYPORT_TEST_INSTALLED'] ?? '{}') as Installed // from test/install

/** @param words the source to run, and its arguments; @returns the program to start, and its arguments */
export function asInstalled([source = '', ...words]: readonly string[]): [program: string, ...words: string[]] {
  const [program, entry] = Object.entries(installed).find(([each]) => join(root, each) === source)?.[1] ?? []
  return [program ?? process.execPath, entry ?? source, ...words]
}
