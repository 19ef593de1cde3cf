// The files that a configuration names and that must be good before a relay starts, or `relay check` calls it fine: what is
// wrong with any of them is told together.

import type { Config } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { Certificates } from './certificates.ts'
import type { Logger } from '../log.ts'
import { ProviderAuthorities } from '../policy/oidc/provider-authorities.ts'

/** @throws ConfigError that names every file that cannot be used */
export async function readFiles({ tls, edges }: Config, log: Logger): Promise<[Certificates, ProviderAuthorities]> {
  const [certificates, authorities] = await Promise.allSettled([
    Certificates.load(tls.certificates, log),
    ProviderAuthorities.load(edges, log),
  ])
  if (certificates.status === 'fulfilled' && authorities.status === 'fulfilled') {
    return [certificates.value, authorities.value]
  }
  const problems = []
  for (const result of [certificates, authorities]) {
    if (result.status === 'fulfilled') result.value.close()
    else if (result.reason instanceof ConfigError) problems.push(...result.reason.problems)
    else throw result.reason
  }
  throw new ConfigError(problems)
}
