// The operator's own authorities for identity providers (`provider_ca_file`): read at the start, and again when a file
// changes. A bad new file never replaces a good old one.

import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates } from 'node:tls'
import type { SecureContext } from 'node:tls'

import { readParsed } from '../../config/followed-file.ts'
import { FollowedFiles } from '../../config/followed-files.ts'
import type { NamedFile } from '../../config/followed-files.ts'
import type { EdgeConfig } from '../../model/edge-config.ts'
import { stepsOfEdges } from '../../model/steps-of-edges.ts'
import type { Logger } from '../../log.ts'

const WORDS = {
  reloaded: 'provider_ca_file reloaded',
  kept: 'provider_ca_file not reloaded; the old one stays in use',
}

/** The authorities of one file. */
export interface ProviderAuthority {
  readonly file: string
  /** The TLS context for connections. Made once: reading all authorities takes milliseconds. */
  readonly context: SecureContext
}

export class ProviderAuthorities {
  readonly #files: FollowedFiles<SecureContext>

  constructor(log: Logger) {
    this.#files = new FollowedFiles({ parse: contextOf, words: WORDS, log })
  }

  /**
   * Reads the files of edges; those that are known stay as they are.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  readMore(edges: readonly EdgeConfig[]): Promise<void> {
    return this.#files.readMore(filesOf(edges))
  }

  /** @param file a file of a loaded configuration; undefined means only the authorities of this machine */
  of(file: string | undefined): ProviderAuthority | undefined {
    const followed = file === undefined ? undefined : this.#files.get(file)
    if (!followed) return undefined
    return {
      file: followed.file,
      get context() {
        return followed.value
      },
    }
  }

  close(): void {
    this.#files.close()
  }
}

/**
 * One file of certificates in PEM, beside what this machine trusts anyway.
 * @throws Error with a sentence for the operator
 */
export async function readAuthority(file: string): Promise<ProviderAuthority> {
  return { file, context: await readParsed({ file, parse: contextOf }) }
}

function contextOf(bytes: Buffer): SecureContext {
  const pem = bytes.toString('utf8')
  try {
    void new X509Certificate(pem)
    return createSecureContext({ ca: [...getCACertificates('default'), pem] })
  } catch (cause) {
    throw new Error('holds no certificate in PEM', { cause })
  }
}

function* filesOf(edges: readonly EdgeConfig[]): Generator<NamedFile> {
  for (const { edgeId, type, kind, config } of stepsOfEdges(edges)) {
    for (const { provider_ca_file: file } of kind.providers?.(config) ?? []) {
      if (file !== undefined) yield { file, path: `provider_ca_file of ${type} in ${edgeId}` }
    }
  }
}
