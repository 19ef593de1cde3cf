// The files of a configuration that must be valid before a relay starts, or `relay check` approves it: all their
// problems are reported together.

import type { Config } from '../../config/config.ts'
import { signInsOf } from '../../model/sign-ins.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import { Certificates } from './certificates.ts'
import type { Logger } from '../../log.ts'
import { readClientKey } from '../../oidc/provider/client-key.ts'
import { ClientAuthorities } from '../../policy/terminate-tls/client-authorities.ts'
import { ProviderAuthorities } from '../../oidc/provider/provider-authorities.ts'
import { SourceFiles } from '../../policy/sources/source-files.ts'
import type { NextSources } from '../../policy/sources/source-files.ts'
import { readLogos } from '../../pages/read-logos.ts'

/** The files that edges name. */
export class EdgeFiles {
  readonly authorities: ProviderAuthorities
  readonly clientAuthorities: ClientAuthorities
  /** `data:` URLs by absolute path. */
  readonly logos = new Map<string, string>()

  constructor(log: Logger) {
    this.authorities = new ProviderAuthorities(log)
    this.clientAuthorities = new ClientAuthorities(log)
  }

  /**
   * Reads the files of a configuration; those that are known stay as they are.
   * @throws ConfigError that names every unusable file
   */
  async readMore(config: Config): Promise<void> {
    const keys = clientKeyProblems(config.edges)
    const results = await Promise.allSettled([
      this.authorities.readMore(config.edges),
      this.#readLogos(config),
      this.clientAuthorities.readMore(config.edges),
    ])
    const problems = [...keys, ...problemsOf(results)]
    if (problems.length > 0) throw new ConfigError(problems)
  }

  close(): void {
    this.authorities.close()
    this.clientAuthorities.close()
  }

  async #readLogos(config: Config): Promise<void> {
    for (const [file, url] of await readLogos(config)) if (!this.logos.has(file)) this.logos.set(file, url)
  }
}

/** The files of a configuration, as they are read at the start. */
export interface RelayFiles {
  readonly certificates: Certificates
  readonly ofEdges: EdgeFiles
  readonly sources: SourceFiles
  /**
   * Reads the files of another configuration: those of its edges, and its sources, which the caller takes or drops.
   * @throws ConfigError that names every unusable file; nothing has changed then
   */
  readNext(next: Config): Promise<NextSources>
  /** Stops following them. */
  close(): void
}

/** @throws ConfigError that names every unusable file */
export async function readFiles(config: Config, log: Logger): Promise<RelayFiles> {
  const ofEdges = new EdgeFiles(log)
  const results = await Promise.allSettled([
    ofEdges.readMore(config),
    Certificates.load(config.tls.certificates, log),
    SourceFiles.open(config, log),
  ])
  const [edges, certificates, sources] = results
  const close = (): void => {
    ofEdges.close()
    for (const result of [certificates, sources]) if (result.status === 'fulfilled') result.value.close()
  }
  if (edges.status === 'fulfilled' && certificates.status === 'fulfilled' && sources.status === 'fulfilled')
    return {
      certificates: certificates.value,
      ofEdges,
      sources: sources.value,
      readNext: (next) => readNext(next, ofEdges, sources.value),
      close,
    }
  close()
  throw new ConfigError(problemsOf(results))
}

async function readNext(next: Config, ofEdges: EdgeFiles, sources: SourceFiles): Promise<NextSources> {
  const results = await Promise.allSettled([ofEdges.readMore(next), sources.readNext(next)])
  const [edges, read] = results
  if (edges.status === 'fulfilled' && read.status === 'fulfilled') return read.value
  if (read.status === 'fulfilled') read.value.drop()
  throw new ConfigError(problemsOf(results))
}

/** @throws the first reason that is not a ConfigError */
function problemsOf(results: readonly PromiseSettledResult<unknown>[]): ConfigProblem[] {
  return results.flatMap((result) => {
    if (result.status === 'fulfilled') return []
    if (result.reason instanceof ConfigError) return [...result.reason.problems]
    throw result.reason
  })
}

/** The sign-in reads these files itself, one by one, when it is built. */
function clientKeyProblems(edges: Config['edges']): ConfigProblem[] {
  const found = new Map<string, ConfigProblem>()
  for (const { edgeId, config } of signInsOf(edges)) {
    if (!config.client_key) continue
    try {
      readClientKey(config.client_key)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      found.set(`${edgeId} ${message}`, { path: `client_key of openid-connect in ${edgeId}`, message })
    }
  }
  return [...found.values()]
}
