// Warns about edges that a command line names but the configuration does not: a typo would otherwise show only when
// visitors find no tunnel. Only a warning, because an edge may be added later, and agents bring some themselves.

import { didYouMean } from '../../values/did-you-mean.ts'
import { loadEdgeNames } from '../../config/load-config.ts'
import type { StoreOption } from './with-store.ts'

/** @param outcome a sentence about the effect of the command */
export async function warnOfUnknownEdge(
  edges: Iterable<string>,
  { config: file = process.env.SALLYPORT_CONFIG || undefined }: StoreOption,
  outcome?: string,
): Promise<void> {
  const known = await loadEdgeNames({ ...(file !== undefined && { file }), env: process.env })
  for (const edge of new Set(edges)) {
    if (known.has(edge)) continue
    const meant = didYouMean(edge, known)
    const where = file ?? 'local mode, which is meant without --config,'
    const hint = meant === undefined ? ` has no edge ${edge}.` : ` has no edge ${edge}; did you mean ${meant}?`
    console.error(`Warning: ${where}${hint}${outcome === undefined ? '' : ` ${outcome}`}`)
  }
}
