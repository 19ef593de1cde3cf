// How this process was started. If both packages are installed, one command, `sallyport`, does the work of both;
// commands that a process shows people begin with the word that they have typed.

import { basename } from 'node:path'

/**
 * Whether it was started as `sallyport`, not as `agent` or `relay`.
 * @param script the script that node runs: a link `sallyport`, or its target
 */
export function isStartedAsSallyport(script: string = process.argv[1] ?? ''): boolean {
  return /^sallyport(?:\.[cm]?[jt]s)?$/.test(basename(script))
}
