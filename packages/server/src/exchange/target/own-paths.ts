// `/.sallyport/` on every edge host is ours and never reaches an app. Pure: no I/O, no clock.

import { RelayError } from '../../errors.ts'
import type { PathReading } from './read-path.ts'

const OWN_SEGMENT = '.sallyport'
const OWN_PATHS = `/${OWN_SEGMENT}`

const NGROK_PATHS: ReadonlySet<string> = new Set(['/ngrok/login', '/ngrok/logout'])

/** Whether apps that were behind ngrok link to it for a page below `/.sallyport/`. */
export function isNgroks(path: string): boolean {
  return NGROK_PATHS.has(path)
}

/**
 * Whether the path is ours, in any spelling. A path that an app could read as ours must not reach the app either.
 * @throws RelayError `path_ambiguous` for a path that only some readers would take for ours
 */
export function isOurs(path: string, reading: PathReading | undefined): boolean {
  if (path === OWN_PATHS || path.startsWith(`${OWN_PATHS}/`)) return true
  if (!reading) return false
  const { normal, isSlippery, segments } = reading
  if (normal === OWN_PATHS || normal?.startsWith(`${OWN_PATHS}/`) || (isSlippery && segments.includes(OWN_SEGMENT))) {
    throw new RelayError('path_ambiguous')
  }
  return false
}
