// The authorities of certificates of visitors that stand in files: read at the start, and again when a file changes. A bad new
// file never replaces a good old one.

import { readFileSync, unwatchFile, watchFile } from 'node:fs'

import { whyUnreadable } from '../../config/why-unreadable.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { authoritiesIn, isPem } from '../../values/authorities-in.ts'
import { terminations } from './terminations.ts'

const POLL_INTERVAL_MS = 5000 // as TLS certificates: they are replaced by renames and symlinks that file events miss

export interface AuthorityFiles {
  /** The certificates in a file, in PEM, one each: the same list as long as the file does not change. */
  of(file: string): readonly string[]
}

/** The part of an edge that names files. */
export type NamingEdge = Pick<EdgeConfig, 'id' | 'on_tcp_connect'>

export class ClientAuthorities implements AuthorityFiles {
  readonly #byFile = new Map<string, readonly string[]>()
  readonly #log: Logger

  private constructor(log: Logger) {
    this.#log = log
  }

  /** @throws ConfigError that names every unusable file */
  // oxlint-disable-next-line require-await -- it rejects as its siblings do
  static async load(edges: readonly NamingEdge[], log: Logger): Promise<ClientAuthorities> {
    const authorities = new ClientAuthorities(log)
    authorities.readMore(edges)
    return authorities
  }

  /**
   * Reads the files of more edges; those that are known stay as they are.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  readMore(edges: readonly NamingEdge[]): void {
    const found = new Map<string, readonly string[]>()
    const problems: ConfigProblem[] = []
    for (const [file, edgeId] of filesOf(edges)) {
      if (this.#byFile.has(file)) continue
      try {
        found.set(file, readFile(file))
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        problems.push({ path: `mutual_tls_certificate_authorities of terminate-tls in ${edgeId}`, message })
      }
    }
    if (problems.length > 0) throw new ConfigError(problems)
    for (const [file, authorities] of found) {
      this.#byFile.set(file, authorities)
      watchFile(file, { interval: POLL_INTERVAL_MS, persistent: false }, () => this.reload(file))
    }
  }

  /** @throws TypeError for a file that no edge of the configuration names */
  of(file: string): readonly string[] {
    const authorities = this.#byFile.get(file)
    if (!authorities) throw new TypeError(`${file} was not read`)
    return authorities
  }

  close(): void {
    for (const file of this.#byFile.keys()) unwatchFile(file)
  }

  /** Reads a file again; keeps the old authorities if it is not usable. */
  reload(file: string): void {
    try {
      this.#byFile.set(file, readFile(file))
      this.#log.info({ file }, 'authorities of visitors reloaded')
    } catch (error) {
      this.#log.warn({ file, err: error }, 'authorities of visitors not reloaded, the old ones stay')
    }
  }
}

/** @throws Error with a sentence for the operator */
function readFile(file: string): readonly string[] {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Error(whyUnreadable(file, cause), { cause })
  }
  const found = authoritiesIn(pem)
  if ('problem' in found) throw new Error(`${file} ${found.problem}`)
  return found.authorities.map(String)
}

/** Each with an edge that names it. */
function filesOf(edges: readonly NamingEdge[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const edge of edges) {
    for (const written of terminations(edge).flatMap(({ certificate }) => certificate?.authorities ?? [])) {
      if (!isPem(written)) files.set(written, edge.id)
    }
  }
  return files
}
