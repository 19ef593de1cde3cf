// Files of authorities for visitors' certificates: read at the start, and again when a file changes. A bad new
// file never replaces a good old one.

import type { FollowedFile } from '../../config/followed-file.ts'
import { FollowedFiles } from '../../config/followed-files.ts'
import type { NamedFile } from '../../config/followed-files.ts'
import type { Logger } from '../../log.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { authoritiesIn, isPem } from '../../values/authorities-in.ts'
import { terminations } from './terminations.ts'

const WORDS = {
  reloaded: 'authorities of visitors reloaded',
  kept: 'authorities of visitors not reloaded, the old ones stay',
}

export interface AuthorityFiles {
  /** The certificates in a file, in PEM, one each: the same list as long as the file does not change. */
  of(file: string): readonly string[]
}

/** The part of an edge that names files. */
export type NamingEdge = Pick<EdgeConfig, 'id' | 'on_tcp_connect'>

export class ClientAuthorities implements AuthorityFiles {
  readonly #files: FollowedFiles<readonly string[]>

  constructor(log: Logger) {
    this.#files = new FollowedFiles({ parse: certificatesIn, words: WORDS, log })
  }

  /**
   * Reads the files of edges; those that are known stay as they are.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  readMore(edges: readonly NamingEdge[]): Promise<void> {
    return this.#files.readMore(filesOf(edges).values())
  }

  /** @throws TypeError for a file that no edge of the configuration names */
  of(file: string): readonly string[] {
    return this.#at(file).value
  }

  /** Reads a file again; keeps the old authorities if it is not usable. */
  reload(file: string): Promise<void> {
    return this.#at(file).reload()
  }

  close(): void {
    this.#files.close()
  }

  #at(file: string): FollowedFile<readonly string[]> {
    const followed = this.#files.get(file)
    if (!followed) throw new TypeError(`${file} was not read`)
    return followed
  }
}

function certificatesIn(bytes: Buffer): readonly string[] {
  const found = authoritiesIn(bytes.toString('utf8'))
  if ('problem' in found) throw new Error(found.problem)
  return found.authorities.map(String)
}

/** Each once, with an edge that names it. */
function filesOf(edges: readonly NamingEdge[]): Map<string, NamedFile> {
  const files = new Map<string, NamedFile>()
  for (const edge of edges) {
    for (const file of terminations(edge).flatMap(({ certificate }) => certificate?.authorities ?? [])) {
      const path = `mutual_tls_certificate_authorities of terminate-tls in ${edge.id}`
      if (!isPem(file)) files.set(file, { file, path })
    }
  }
  return files
}
