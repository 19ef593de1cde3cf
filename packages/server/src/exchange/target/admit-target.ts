// Admits a target that a policy has made from the visitor's. It must be one that a visitor could have sent to the same
// route; otherwise a target could bypass the policies of other routes, or reach the relay's own pages. Pure: no I/O, no
// clock.

import { RelayError } from '../../errors.ts'
import { isOriginForm, pathOf } from './origin-form.ts'
import { isOurs } from './own-paths.ts'
import { readPath } from './read-path.ts'
import type { PathReading } from './read-path.ts'

/** The routes of an edge. */
export interface Routes {
  /** @throws RelayError for a path that has no route */
  routeFor(path: string, reading: PathReading | undefined): unknown
}

/** The default of `limits.header_bytes`, which limits visitors. */
const TARGET_MAX_CHARS = 32 * 1024
const SHOWN_MAX_CHARS = 200

/**
 * @param route the route of the exchange; it must be that of the new target, too
 * @returns the normal form of its path if another reader could read it differently
 * @throws RelayError `rewrite_refused`
 */
export function admitTarget(target: string, routes: Routes | undefined, route: unknown): string | undefined {
  if (target.length > TARGET_MAX_CHARS) throw refusal(target, `has more than ${TARGET_MAX_CHARS} characters`)
  if (!isOriginForm(target))
    throw refusal(target, 'is not a path with a query, or has characters that are not allowed there')
  const path = pathOf(target)
  const reading = readPath(path)
  if (reading && (reading.isSlippery || reading.normal === undefined)) {
    throw refusal(path, 'has dot segments or begins with two slashes, perhaps in an encoded form')
  }
  if (!leadsToRoute(path, reading, routes, route)) {
    throw refusal(
      path,
      'belongs to another route, to none, or to the relay, so the policy that has run does not apply to it',
    )
  }
  return reading?.normal
}

function leadsToRoute(
  path: string,
  reading: PathReading | undefined,
  routes: Routes | undefined,
  route: unknown,
): boolean {
  try {
    return !isOurs(path, reading) && routes?.routeFor(path, reading) === route
  } catch (error) {
    if (error instanceof RelayError) return false
    throw error
  }
}

/** @param made the new target, without the query if possible, because queries carry secrets and this goes to the log */
function refusal(made: string, problem: string): RelayError {
  const path = pathOf(made)
  const shown = path.length > SHOWN_MAX_CHARS ? `${path.slice(0, SHOWN_MAX_CHARS)}…` : path
  return new RelayError('rewrite_refused', { detail: `the rewritten address ${JSON.stringify(shown)} ${problem}` })
}
