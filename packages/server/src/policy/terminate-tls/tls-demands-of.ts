// The TLS demands of an edge, from its `terminate-tls`. They change with the files of authorities.

import { createHash } from 'node:crypto'

import type { TlsDemands, TlsVersion } from '../../exchange/visitor/tls-demands.ts'
import { authoritiesIn, isPem } from '../../values/authorities-in.ts'
import type { AuthorityFiles } from './client-authorities.ts'
import type { TerminateTlsConfig } from './kind.ts'
import { terminations } from './terminations.ts'
import type { Terminating } from './terminations.ts'

/** The demands at the moment: the same object as long as no file has changed. */
export type TlsDemandsNow = () => TlsDemands

/** @returns undefined if the defaults of the relay meet them */
export function tlsDemandsOf(edge: Terminating, files: AuthorityFiles): TlsDemandsNow | undefined {
  const [config] = terminations(edge) // no edge has two
  if (!config) return undefined
  const { min_version, max_version, certificate } = config
  if (min_version === '1.2' && max_version === '1.3' && !certificate) return undefined
  const sources = (certificate?.authorities ?? []).map((written) => sourceOf(written, files))
  let lists = sources.map((read) => read())
  let demands = demandsOf(config, lists)
  return () => {
    if (sources.every((read, index) => read() === lists[index])) return demands
    lists = sources.map((read) => read())
    return (demands = demandsOf(config, lists))
  }
}

/** @param written PEM, or the path of a file */
function sourceOf(written: string, files: AuthorityFiles): () => readonly string[] {
  if (!isPem(written)) return () => files.of(written)
  const found = authoritiesIn(written)
  if ('problem' in found) throw new TypeError(`no authority: ${found.problem}`) // the configuration was checked before
  const authorities = found.authorities.map(String)
  return () => authorities
}

function demandsOf(config: TerminateTlsConfig, lists: readonly (readonly string[])[]): TlsDemands {
  const { min_version, max_version, certificate } = config
  const authorities = [...new Set(lists.flat())].toSorted()
  const meaning = JSON.stringify([min_version, max_version, certificate?.strategy, authorities])
  return {
    digest: createHash('sha256').update(meaning).digest('base64'),
    minVersion: VERSIONS[min_version],
    maxVersion: VERSIONS[max_version],
    certificate: certificate && { strategy: certificate.strategy, authorities },
  }
}

const VERSIONS = { '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const satisfies Record<string, TlsVersion>
