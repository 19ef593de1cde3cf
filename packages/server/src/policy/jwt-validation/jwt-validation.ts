// The action `jwt-validation`: a program passes with a token of an issuer that the route trusts. A token is verified
// once; after that it costs a hash and a look-up, until it expires or the issuer's keys must be checked again.

import { hash } from 'node:crypto'

import type { CryptoKey } from 'jose'

import type { JwtValidationConfig } from './jwt-validation-schema.ts'
import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import type { Logger } from '../../log.ts'
import type { Action } from '../../exchange/action.ts'
import { bearerError, behindScheme, keepOneSpelling, refuseForeignUpgrade, withhold } from '../credentials.ts'
import type { Identify, SignedIdentity } from '../../identity/signed-identity.ts'
import { UnderWay } from '../under-way.ts'
import { readClaims } from '../../oidc/provider/claims.ts'
import { passesAsPreflight } from '../../oidc/gate/cors-preflight.ts'
import { KeySet, discoverKeys } from '../../oidc/provider/key-set.ts'
import { ProviderUnreachable, type ProviderFetch } from '../../oidc/provider/provider-fetch.ts'
import { type JwtRules, verifyJwt, type JwtVerdict, type TokenType } from '../../oidc/provider/verify-jwt.ts'

const PASSES_MAX = 10_000 // tokens in use at once; if an issuer makes a token for each call, the latest are kept
const VERIFIED_MS = 10 * 60_000 // as long as keys are trusted, in key-set.ts
const SWEEP_MS = 1000 // what is under way with a token ends within this time of it

export interface JwtValidationParts {
  edgeId: string
  /** Sends a request to an issuer, or a URL of keys, that the operator has written. */
  fetchFrom: (home: string, caFile: string | undefined) => ProviderFetch
  identify: Identify
  clock: () => number
  log: Logger
  /** Registers a callback for the close of the edge. */
  onClose: (end: () => void) => void
}

/** A verified token. */
interface Pass {
  identity: SignedIdentity
  underWay: UnderWay
  /** When the token expires, with the tolerance. */
  endsAt: number
  verifiedUntil: number
}

interface Found {
  token: string
  type: TokenType
  /** Lower case; undefined for a cookie. */
  header: string | undefined
}

export function jwtValidation(config: JwtValidationConfig, parts: JwtValidationParts): Action {
  const { edgeId, clock, identify } = parts
  const findToken = compilePlaces(config.http.tokens)
  const findKey = compileKeys(config, parts)
  /** By the SHA-256 of the token and its kind; in the order of their last check. */
  const passes = new Map<string, Pass>()
  const verifying = new Map<string, Promise<Pass>>()

  /** Runs while the map is not empty: an unused route costs nothing. */
  let sweeper: NodeJS.Timeout | undefined
  let isClosed = false
  const stop = (): void => {
    clearInterval(sweeper)
    sweeper = undefined
  }
  const sweep = (): void => {
    const now = clock()
    for (const [key, pass] of passes) {
      if (now >= pass.endsAt) pass.underWay.cut('the token has expired')
      else if (!isClosed || pass.underWay.size > 0) continue // it is cut when its token expires, closed or not
      passes.delete(key)
    }
    if (passes.size === 0) stop()
  }
  parts.onClose(() => {
    isClosed = true
    sweep()
  })

  const verify = async (key: string, { token, type }: Found, now: number): Promise<Pass> => {
    const verdict = await verifyJwt(token, { config, type, findKey, now })
    const known = passes.get(key)
    if (!verdict.ok) {
      if (verdict.reason !== 'keys_unavailable') {
        known?.underWay.cut('the token is not valid any more')
        passes.delete(key)
      }
      throw refusal(edgeId, verdict)
    }
    const { iss, sub, exp } = verdict.claims
    const endsAt = exp * 1000 + config.clock_tolerance
    const pass: Pass = known ?? {
      identity: identify(identityOf(iss, sub, verdict.claims)),
      underWay: new UnderWay(),
      endsAt,
      verifiedUntil: 0,
    }
    pass.verifiedUntil = Math.min(endsAt, now + VERIFIED_MS)
    passes.delete(key)
    passes.set(key, pass)
    sweeper ??= setInterval(sweep, SWEEP_MS).unref()
    if (passes.size > PASSES_MAX) forgetOne(passes, pass)
    return pass
  }

  return async (exchange, next) => {
    if (config.allow_cors_preflight && passesAsPreflight(exchange)) {
      exchange.identity = undefined // no identity, even if an earlier action has set one
      return next()
    }
    const found = findToken(exchange)
    if (!found) throw bearerError(edgeId)
    if (found.header === undefined) refuseForeignUpgrade(exchange)
    else exchange.hasCredentials = true
    const now = clock()
    const key = `${found.type} ${hash('sha256', found.token, 'base64')}`
    let pass = passes.get(key)
    if (!pass || now >= pass.verifiedUntil) {
      // Once for all requests that come with it at the same time.
      let verdict = verifying.get(key)
      if (!verdict) {
        verdict = verify(key, found, now).finally(() => verifying.delete(key))
        verifying.set(key, verdict)
      }
      pass = await verdict
    }
    const told = pass.identity.at(now)
    exchange.identity = told instanceof Promise ? await told : told
    if (found.header !== undefined) {
      if (config.forward_credentials) keepOneSpelling(exchange, found.header, exchange.header(found.header) ?? '')
      else withhold(exchange, found.header)
    }
    await pass.underWay.run(exchange, next)
  }
}

/** Finds the first place that has a token. */
function compilePlaces(places: JwtValidationConfig['http']['tokens']): (exchange: Exchange) => Found | undefined {
  const compiled = places.map(({ type, method, name, prefix }) => {
    const lower = name.toLowerCase()
    const scheme = (prefix ?? (lower === 'authorization' ? 'Bearer' : '')).trim()
    return { type, name, header: method === 'header' ? lower : undefined, scheme }
  })
  return (exchange) => {
    for (const { type, name, header, scheme } of compiled) {
      const value = header === undefined ? readCookie(exchange.header('cookie'), name) : exchange.header(header)
      const token = behindScheme(value, scheme)
      if (token !== undefined && token !== '') return { token, type, header }
    }
    return undefined
  }
}

function compileKeys(
  { issuer, jws, provider_ca_file }: JwtValidationConfig,
  { fetchFrom, clock, log }: JwtValidationParts,
): JwtRules['findKey'] {
  const setOf = (home: string, locate: (fetch: ProviderFetch) => Promise<string>): KeySet => {
    const fetch = fetchFrom(home, provider_ca_file)
    return new KeySet({ locate: () => locate(fetch), fetch, clock, log })
  }
  const { additional_jkus, shared_secret } = jws.keys.sources
  if (shared_secret) return () => Promise.reject(new TypeError('a shared secret leaves nothing to find'))
  if (additional_jkus) {
    const sets = additional_jkus.map((url) => setOf(url, async () => url))
    return (_, header, token) => findInAny(sets, header, token)
  }
  // Each issuer by its own keys: one must not be able to sign for another.
  const sets = new Map(
    issuer.allow_list.map(({ value }) => [value, setOf(value, (fetch) => discoverKeys(value, fetch, log))]),
  )
  return (iss, header, token) =>
    findInAny(
      [sets.get(iss)].filter((set) => set !== undefined),
      header,
      token,
    )
}

async function findInAny(sets: readonly KeySet[], ...of: Parameters<KeySet['find']>): Promise<CryptoKey> {
  let failure: unknown
  for (const set of sets) {
    try {
      return await set.find(...of)
    } catch (error) {
      // A key set that cannot be fetched may have had the key: that is not the token's fault.
      if (!(failure instanceof ProviderUnreachable)) failure = error
    }
  }
  throw failure
}

/**
 * The token that was checked longest ago without exchanges under way: the exchanges of a forgotten one would not be
 * cut.
 */
function forgetOne(passes: Map<string, Pass>, newest: Pass): void {
  for (const [key, pass] of passes) {
    if (pass === newest || pass.underWay.size > 0) continue
    passes.delete(key)
    return
  }
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
