// Tests run the commands from source. With SALLYPORT_TEST_INSTALLED they run other files instead, and with another
// Node.js if it names one: `npm test` names the commands as it has built them, test/install those that it has installed.

import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** By the source of a command, below the clone: the program to run, and its entry file. */
export type Installed = Record<string, readonly [node: string, entry: string]>

const installed = JSON.parse(process.env['SALLYPORT_TEST_INSTALLED'] ?? '{}') as Installed // from scripts/test.ts or test/install

/** @param words the source to run, and its arguments; @returns the program to start, and its arguments */
export function asInstalled([source = '', ...words]: readonly string[]): [program: string, ...words: string[]] {
  const [program, entry] = Object.entries(installed).find(([each]) => join(root, each) === source)?.[1] ?? []
  return [program ?? process.execPath, entry ?? source, ...words]
}

/** For a test of what a person sees in a clone: these words run the source, also in `npm test`. */
export function asInClone(source: string, ...words: readonly string[]): string[] {
  return ['--', source, ...words]
}
