// Credentials of a `basic-auth` that have `${…}`: they are made for each request. A value that is no credential lets nobody pass,
// and the log says so once.

import type { Logger } from '../../log.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { parseBasicCredential } from '../../values/basic-credential.ts'
import { parsePasswordHash } from '../../values/password-hash.ts'
import type { LateText } from '../late-text.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { textFrom } from '../text.ts'

export interface LateCredentialsParts extends SourcesParts {
  edgeId: string
  log: Pick<Logger, 'warn'>
}

export interface MadeCredential {
  readonly user: string
  readonly password: string
}

/** @throws RelayError, from the function: `expression_failed`, `path_ambiguous` */
export function lateCredentials(
  written: readonly LateText[],
  { edgeId, log, ...parts }: LateCredentialsParts,
): (exchange: Exchange) => MadeCredential[] {
  const texts = written.map(({ source }) => textFrom(source, 'on_http_request', 'credentials of basic-auth', parts))
  const told = new Set<number>()
  return (exchange) =>
    texts.flatMap((text, index) => {
      const made = read(text(exchange))
      if (!('problem' in made)) return [made]
      if (!told.has(index)) {
        told.add(index)
        const detail = `credentials of basic-auth: ${written[index]?.source}: the value ${made.problem}`
        log.warn({ edgeId, detail }, 'a credential fits nobody')
      }
      return []
    })
}

function read(text: string): MadeCredential | { problem: string } {
  const made = parseBasicCredential(text)
  // Whoever chooses the hash chooses the work.
  if (!('problem' in made) && parsePasswordHash(made.password)) {
    return { problem: 'has a hash, which is possible in the policy itself and in its secrets only' }
  }
  return made
}
