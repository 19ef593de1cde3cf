// The check of an endpoint's sign-in for its agent: the findings of `relay oidc check`, in one line. It contains only
// facts that the provider tells everybody on the internet. The relay's log alone says whether, why and how quickly a
// request failed, because an agent could use this to map the names and addresses around the relay (decision 16).

import { printable } from '@sallyport/protocol'

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import type { IssuerReach } from '../../config/issuer-reach.ts'
import { Attempts } from '../../exchange/attempts.ts'
import type { Logger } from '../../log.ts'
import type { ProviderReport } from './check-provider.ts'

const CHECKS_PER_MINUTE = 10 // of one authtoken: each makes a dozen requests to the provider that the agent has named
const CHECKS_AT_ONCE = 8
const REQUEST_MS = 5000 // a person waits at a terminal
const TEXT_MAX_CHARS = 1024 // of `notice`

/** The fields of a `notice`. */
export interface EndpointNotice {
  level: 'info' | 'warn'
  text: string
}

export interface EndpointChecksInit {
  publicOrigin: string
  issuers: IssuerReach
  log: Logger
}

export class EndpointChecks {
  readonly #init: EndpointChecksInit
  readonly #started = new Attempts(CHECKS_PER_MINUTE)
  #underWay = 0

  constructor(init: EndpointChecksInit) {
    this.#init = init
  }

  /** @returns undefined if too many checks are under way; then problems show only at the first sign-in */
  async check(config: OpenidConnectConfig, authtokenId: string): Promise<EndpointNotice | undefined> {
    if (this.#underWay >= CHECKS_AT_ONCE || !this.#started.take(authtokenId, Date.now())) return undefined
    this.#underWay += 1
    try {
      const { checkProvider } = await import('./check-provider.ts') // loads openid-client
      const { publicOrigin, issuers, log } = this.#init
      const onUnreachable = (reason: string): void =>
        log.warn({ issuer: config.issuer_url, authtokenId, reason }, 'the provider of an endpoint cannot be asked')
      const limits = { timeoutMs: REQUEST_MS, clock: Date.now, reach: issuers, onUnreachable }
      return noticeOf(await checkProvider({ config, publicOrigin, ...limits }))
    } finally {
      this.#underWay -= 1
    }
  }
}

/** All problems that keep visitors from signing in, in the words of `agent http`. */
export function noticeOf({ ok, issuer_url, findings }: ProviderReport): EndpointNotice {
  const at = printable(issuer_url)
  if (ok) {
    const isOpen = findings.some(({ verdict, about }) => verdict === 'unchecked' && about === 'credentials')
    const open = isOpen ? '; only a sign-in will show whether it accepts client id and secret' : ''
    return {
      level: 'info',
      text: `The relay finds nothing wrong with the sign-in at ${at}${open}`.slice(0, TEXT_MAX_CHARS),
    }
  }
  const problems = findings.filter(({ verdict }) => verdict === 'problem')
  const said = problems.map(({ about, message }) => `${about}: ${inFlags(message)}`)
  const text = `Something is wrong with the sign-in at ${at}. ${said.join('; ')}`
  return { level: 'warn', text: text.length > TEXT_MAX_CHARS ? `${text.slice(0, TEXT_MAX_CHARS - 1)}…` : text }
}

const FLAGS: readonly [key: RegExp, flag: string][] = [
  [/\bissuer_url\b/g, '--oidc'],
  [/\bid_token_alg:/g, '--oidc-id-token-alg'],
  [/\bid_token_alg\b/g, '--oidc-id-token-alg'],
  [/\bclient_secret\b/g, '--oidc-client-secret'],
]

function inFlags(message: string): string {
  return FLAGS.reduce((text, [key, flag]) => text.replace(key, flag), message)
}
