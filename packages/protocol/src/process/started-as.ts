// How this process was started. Where both packages are installed, one command, `sallyport`, stands for both; what a
// process tells people to type begins with the word that they have typed.

import { basename } from 'node:path'

/**
 * Whether it was started as `sallyport`, not as `agent` or `relay`.
 * @param script what node runs: a link `sallyport`, or the file behind it
 */
export function isStartedAsSallyport(script: string = process.argv[1] ?? ''): boolean {
  return /^sallyport(?:\.[cm]?[jt]s)?$/.test(basename(script))
}
