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
import { readLogos, type Logos } from '../../pages/read-logos.ts'

/** @throws ConfigError that names every unusable file */
export async function readFiles(
  config: Config,
  log: Logger,
): Promise<[Certificates, ProviderAuthorities, Logos, ClientAuthorities, SourceFiles]> {
  const { tls, edges } = config
  const [certificates, authorities, logos, clients, sources] = await Promise.allSettled([
    Certificates.load(tls.certificates, log),
    ProviderAuthorities.load(edges, log),
    readLogos(config),
    ClientAuthorities.load(edges, log),
    SourceFiles.open(config, log),
  ])
  const problems = clientKeyProblems(edges)
  if (
    certificates.status === 'fulfilled' &&
    authorities.status === 'fulfilled' &&
    logos.status === 'fulfilled' &&
    clients.status === 'fulfilled' &&
    sources.status === 'fulfilled' &&
    problems.length === 0
  ) {
    return [certificates.value, authorities.value, logos.value, clients.value, sources.value]
  }
  for (const result of [certificates, authorities, clients, sources]) {
    if (result.status === 'fulfilled') result.value.close()
  }
  for (const result of [certificates, authorities, logos, clients, sources]) {
    if (result.status === 'fulfilled') continue
    if (result.reason instanceof ConfigError) problems.push(...result.reason.problems)
    else throw result.reason
  }
  throw new ConfigError(problems)
}

/** The files of edges, held since the start. */
export interface EdgeFiles {
  readonly authorities: ProviderAuthorities
  readonly logos: Map<string, string>
  readonly clientAuthorities: ClientAuthorities
}

/**
 * Reads the files that a later configuration names in addition.
 * @throws ConfigError that names every unusable file
 */
export async function readMoreFiles(
  config: Config,
  { authorities, logos, clientAuthorities }: EdgeFiles,
): Promise<void> {
  const readings = [
    readLogos(config).then((read) => {
      for (const [file, url] of read) if (!logos.has(file)) logos.set(file, url)
    }),
    (async () => authorities.readMore(config.edges))(),
    (async () => clientAuthorities.readMore(config.edges))(),
  ]
  const problems = clientKeyProblems(config.edges)
  for (const result of await Promise.allSettled(readings)) {
    if (result.status === 'fulfilled') continue
    if (result.reason instanceof ConfigError) problems.push(...result.reason.problems)
    else throw result.reason
  }
  if (problems.length > 0) throw new ConfigError(problems)
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
