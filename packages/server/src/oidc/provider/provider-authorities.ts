// The operator's own authorities for identity providers (`provider_ca_file`): read at the start, and again when a file
// changes. A bad new file never replaces a good old one.

import { X509Certificate } from 'node:crypto'
import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { createSecureContext, getCACertificates } from 'node:tls'
import type { SecureContext } from 'node:tls'

import type { EdgeConfig } from '../../model/edge-config.ts'
import { stepsOfEdges } from '../../model/steps-of-edges.ts'
import { whyUnreadable } from '../../config/why-unreadable.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { Logger } from '../../log.ts'

const POLL_INTERVAL_MS = 5000 // as TLS certificates: they are replaced by renames and symlinks that file events miss

/** The authorities of one file. */
export interface ProviderAuthority {
  readonly file: string
  /** The TLS context for connections. Made once: reading all authorities takes milliseconds. */
  readonly context: SecureContext
}

export class ProviderAuthorities {
  readonly #byFile = new Map<string, { file: string; context: SecureContext }>()
  readonly #log: Logger

  private constructor(log: Logger) {
    this.#log = log
  }

  /** @throws ConfigError that names every unusable file */
  // oxlint-disable-next-line require-await -- it rejects as its siblings do
  static async load(edges: readonly EdgeConfig[], log: Logger): Promise<ProviderAuthorities> {
    const authorities = new ProviderAuthorities(log)
    authorities.readMore(edges)
    return authorities
  }

  /**
   * Reads the files of more edges; those that are known stay as they are.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  readMore(edges: readonly EdgeConfig[]): void {
    const found = new Map<string, { file: string; context: SecureContext }>()
    const problems: ConfigProblem[] = []
    for (const { edgeId, type, file } of filesOf(edges)) {
      if (this.#byFile.has(file) || found.has(file)) continue
      try {
        found.set(file, readAuthority(file))
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        problems.push({ path: `provider_ca_file of ${type} in ${edgeId}`, message })
      }
    }
    if (problems.length > 0) throw new ConfigError(problems)
    for (const [file, authority] of found) {
      this.#byFile.set(file, authority)
      watchFile(file, { interval: POLL_INTERVAL_MS, persistent: false }, () => reload(authority, this.#log))
    }
  }

  /** @param file a file of a loaded configuration; undefined means only the authorities of this machine */
  of(file: string | undefined): ProviderAuthority | undefined {
    return file === undefined ? undefined : this.#byFile.get(file)
  }

  close(): void {
    for (const file of this.#byFile.keys()) unwatchFile(file)
  }
}

/**
 * One file of certificates in PEM, beside what this machine trusts anyway.
 * @throws Error with a sentence for the operator
 */
export function readAuthority(file: string): { file: string; context: SecureContext } {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Error(whyUnreadable(file, cause), { cause })
  }
  try {
    void new X509Certificate(pem)
    return { file, context: createSecureContext({ ca: [...getCACertificates('default'), pem] }) }
  } catch (cause) {
    throw new Error(`${file} holds no certificate in PEM`, { cause })
  }
}

function reload(authority: { file: string; context: SecureContext }, log: Logger): void {
  const { file } = authority
  try {
    authority.context = readAuthority(file).context
    log.info({ file }, 'provider_ca_file reloaded')
  } catch (error) {
    log.warn({ file, err: error }, 'provider_ca_file not reloaded; the old one stays in use')
  }
}

function* filesOf(edges: readonly EdgeConfig[]): Generator<{ edgeId: string; type: string; file: string }> {
  for (const { edgeId, type, kind, config } of stepsOfEdges(edges)) {
    for (const { provider_ca_file: file } of kind.providers?.(config) ?? []) {
      if (file !== undefined) yield { edgeId, type, file }
    }
  }
}
