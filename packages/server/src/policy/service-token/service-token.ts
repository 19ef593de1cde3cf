// The action `service-token`: a program passes with a token that was made for this edge. It costs a hash and two
// look-ups.

import type { Action } from '../../exchange/action.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { bearerError, behindScheme, withhold } from '../credentials.ts'
import type { ServiceToken, ServiceTokens } from './service-tokens.ts'
import type { Identify, SignedIdentity } from '../../identity/signed-identity.ts'

/** For programs whose app wants `Authorization` for itself. Headers that begin with `Sallyport-` never reach an app. */
const OWN_HEADER = 'sallyport-service-token'
const ISSUER = 'service-token' // `idp` of the identity: only the relay has named it

export interface ServiceTokenParts {
  edgeId: string
  serviceTokens: ServiceTokens
  identify: Identify
  clock: () => number
}

/** It has no keys. */
export function serviceToken(_: unknown, { edgeId, serviceTokens, identify, clock }: ServiceTokenParts): Action {
  const identities = new WeakMap<ServiceToken, SignedIdentity>()

  const identityOf = (serviceToken: ServiceToken): SignedIdentity => {
    const known = identities.get(serviceToken)
    if (known) return known
    const { id, description } = serviceToken
    const identity = identify({
      subject: id,
      issuer: ISSUER,
      ...(description !== undefined && { name: description }),
      groups: [],
    })
    identities.set(serviceToken, identity)
    return identity
  }

  return async (exchange, next) => {
    const { token, isBearer } = find(exchange)
    if (token === undefined) throw bearerError(edgeId)
    exchange.hasCredentials = true
    const now = clock()
    const verdict = serviceTokens.verify(token, edgeId, now)
    if (!verdict.ok) throw refusal(edgeId, verdict.reason)
    const told = identityOf(verdict.serviceToken).at(now)
    if (told instanceof Promise) {
      exchange.identity = await told
      // The token may have been revoked while the identity was signed, and a revocation cuts only exchanges that are
      // noted with the token.
      const again = serviceTokens.verify(token, edgeId, now)
      if (!again.ok) {
        exchange.identity = undefined
        throw refusal(edgeId, again.reason)
      }
    } else exchange.identity = told
    if (isBearer) withhold(exchange, 'authorization')
    await verdict.underWay.run(exchange, next)
  }
}

function find(exchange: Exchange): { token: string | undefined; isBearer: boolean } {
  const own = exchange.header(OWN_HEADER)
  if (own !== undefined) return { token: own, isBearer: false }
  return { token: behindScheme(exchange.header('authorization'), 'Bearer'), isBearer: true }
}

function refusal(edgeId: string, reason: string): Error {
  return bearerError(edgeId, { error: 'invalid_token', detail: `service token: ${reason}` })
}
