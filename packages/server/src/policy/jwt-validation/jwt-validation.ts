// The action `jwt-validation`: a program passes with all tokens that the policy lists, from issuers that it trusts. Tokens
// of the head are checked first, so no body is read if the request cannot pass.

import type { JwtValidationConfig } from './jwt-validation-schema.ts'
import { RelayError } from '../../errors.ts'
import type { BodyRoom } from '../../exchange/body/body-room.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Action } from '../../exchange/action.ts'
import { bearerError, keepOneSpelling, refuseForeignUpgrade, withhold } from '../credentials.ts'
import type { Identify } from '../../identity/signed-identity.ts'
import { readClaims } from '../../oidc/provider/claims.ts'
import { passesAsPreflight } from '../../oidc/gate/cors-preflight.ts'
import { verifyJwt, type JwtVerdict } from '../../oidc/provider/verify-jwt.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { bodyFields } from './body-fields.ts'
import type { BodyFields } from './body-fields.ts'
import { compileKeys } from './jwt-keys.ts'
import type { JwtKeysParts } from './jwt-keys.ts'
import { Passes } from './passes.ts'
import type { Pass, PassCounts } from './passes.ts'
import { placesFrom } from './places-from.ts'
import type { Places } from './places-from.ts'
import { tokenInBody, tokenInHead } from './token-places.ts'
import type { TokenPlace } from './token-places.ts'
import { tokenResult } from './token-result.ts'

export interface JwtValidationParts extends JwtKeysParts, SourcesParts {
  edgeId: string
  /** The tenant whose share of the room bodies and tokens count for. */
  tenant: string
  passCounts: PassCounts
  bodies: Pick<BodyRoom, 'read'>
  identify: Identify
  /** Registers a callback for the close of the edge. */
  onClose: (end: () => void) => void
}

/** A token that was found and verified. */
interface Presented {
  readonly token: string
  readonly place: TokenPlace
  readonly pass: Pass
}

/** @throws RelayError, from the action: `credentials_…`, `provider_unreachable`, and the errors of BodyRoom.read() */
export function jwtValidation(config: JwtValidationConfig, parts: JwtValidationParts & Remembering): Action {
  const { edgeId, clock, tenant, bodies, onClose, readsResult } = parts
  const placesFor = placesFrom(config.http.tokens, parts)
  const passes = new Passes({ tenant, counts: parts.passCounts, clock })
  onClose(() => passes.close())
  const passOf = passFinder(config, parts, passes)
  const shows = readsResult('jwt_validation.tokens')
  const tells = shows || readsResult('jwt_validation.error')

  const present = async (place: TokenPlace, token: string | undefined): Promise<Presented> => {
    if (token === undefined) throw bearerError(edgeId)
    const pass = passOf(place, token)
    return { token, place, pass: pass instanceof Promise ? await pass : pass }
  }

  const admit = async (exchange: Exchange, { all, inHead, inBody }: Places): Promise<Presented[]> => {
    const presented: Presented[] = []
    for (const place of inHead) {
      const token = tokenInHead(place, exchange)
      if (token !== undefined) noteCredentials(place, exchange)
      presented.push(await present(place, token))
    }
    if (inBody.length === 0) return presented
    const fields = await fieldsOf(exchange, bodies, tenant)
    for (const place of inBody) presented.push(await present(place, fields && tokenInBody(place, fields)))
    return presented.toSorted((one, other) => all.indexOf(one.place) - all.indexOf(other.place))
  }

  return async (exchange, next) => {
    if (config.allow_cors_preflight && passesAsPreflight(exchange)) {
      exchange.identity = undefined // no identity, even if an earlier action has set one
      return next()
    }
    const places = placesFor(exchange)
    const presented = await admit(exchange, places).catch((error: unknown) => {
      if (tells) noteRefusal(exchange, error)
      throw error
    })
    const [first] = presented
    const told = first?.pass.identity.at(clock())
    exchange.identity = told instanceof Promise ? await told : told
    for (const { method, name } of places.inHead)
      if (method === 'header') passOn(name, exchange, config.forward_credentials)
    if (tells) noteTokens(exchange, shows ? presented : [])
    await during(presented, exchange, next)
  }
}

/** Runs the steps after the action. They are cut when one of the tokens expires. */
function during(presented: readonly Presented[], exchange: Exchange, next: () => Promise<void>): Promise<void> {
  return presented.reduce(
    (inner, { pass }) =>
      () =>
        pass.underWay.run(exchange, inner),
    next,
  )()
}

function noteTokens(exchange: Exchange, presented: readonly Presented[]): void {
  try {
    noteResult(exchange, 'jwt_validation', { tokens: presented.map(({ token, place }) => tokenResult(token, place)) })
  } catch (cause) {
    throw new RelayError('expression_failed', { detail: 'jwt_validation.tokens cannot be read', cause })
  }
}

/** For expressions, if another action of `any-of` lets the request pass. */
function noteRefusal(exchange: Exchange, error: unknown): void {
  if (!(error instanceof RelayError)) return
  noteResult(exchange, 'jwt_validation', {
    tokens: [],
    error: { code: error.code, message: error.detail ?? 'there is no token' },
  })
}

function noteCredentials({ method }: TokenPlace, exchange: Exchange): void {
  if (method === 'cookie') refuseForeignUpgrade(exchange)
  else exchange.hasCredentials = true
}

function passOn(header: string, exchange: Exchange, isForwarded: boolean): void {
  if (isForwarded) keepOneSpelling(exchange, header, exchange.header(header) ?? '')
  else withhold(exchange, header)
}

const METHODS_WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** @returns undefined for a request that can have no token in its body */
async function fieldsOf(
  exchange: Exchange,
  bodies: JwtValidationParts['bodies'],
  tenant: string,
): Promise<BodyFields | undefined> {
  if (exchange.upgrade || !METHODS_WITH_BODY.has(exchange.method)) return undefined
  const head = { contentType: exchange.header('content-type'), contentEncoding: exchange.header('content-encoding') }
  return bodyFields(head, await bodies.read(exchange, tenant))
}

function passFinder(
  config: JwtValidationConfig,
  parts: JwtValidationParts,
  passes: Passes,
): (place: TokenPlace, token: string) => Pass | Promise<Pass> {
  const { edgeId, identify } = parts
  const findKey = compileKeys(config, parts)
  return ({ type }, token) =>
    passes.of(token, type, async (now) => {
      const verdict = await verifyJwt(token, { config, type, findKey, now })
      if (verdict.ok) {
        const { iss, sub, exp } = verdict.claims
        return {
          identity: identify(identityOf(iss, sub, verdict.claims)),
          endsAt: exp * 1000 + config.clock_tolerance,
        }
      }
      if (verdict.reason !== 'keys_unavailable') passes.revoke(token, type)
      throw refusal(edgeId, verdict)
    })
}

function identityOf(issuer: string, subject: string, claims: Readonly<Record<string, unknown>>) {
  const { name, email, emailVerified, groups } = readClaims(claims, undefined, [{ claim: 'groups' }])
  return {
    subject,
    issuer,
    ...(name !== undefined && { name }),
    ...(email !== undefined && emailVerified === true && { email }),
    groups: groups['groups'] ?? [],
  }
}

function refusal(edgeId: string, verdict: Exclude<JwtVerdict, { ok: true }>): RelayError {
  switch (verdict.reason) {
    case 'keys_unavailable':
      return new RelayError('provider_unreachable', { detail: verdict.detail })
    case 'expired':
      return bearerError(edgeId, {
        error: 'invalid_token',
        description: 'the token has expired',
        detail: verdict.detail,
      })
    case 'refused':
      return bearerError(edgeId, { error: 'invalid_token', detail: `jwt: ${verdict.detail}` })
    case 'insufficient':
      return bearerError(edgeId, {
        error: 'insufficient_scope',
        user: verdict.subject,
        ...(verdict.claim === 'scope' && verdict.wanted.length > 0 && { scope: verdict.wanted.join(' ') }),
        detail: `jwt: the claim ${verdict.claim} does not fit`,
      })
  }
}
