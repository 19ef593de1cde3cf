// `basic-auth`: a few users with passwords (RFC 7617). Wrong tries are counted by address, so guessing is slow.

import { createHmac, randomBytes } from 'node:crypto'

import type { BasicAuthConfig } from '../config/config.ts'
import { isPasswordOf, parsePasswordHash, type PasswordHash } from '../config/password-hash.ts'
import { RelayError } from '../errors.ts'
import type { Attempts } from '../exchange/attempts.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Action } from './action.ts'
import { behindScheme, refuseForeignUpgrade, withhold } from './credentials.ts'
import type { Identify, SignedIdentity } from './signed-identity.ts'

const CREDENTIALS_MAX_CHARS = 1024 // base64 of a user and 128 characters, with much to spare
const CHECKS_AT_ONCE = 2 // one takes 32 MiB and a thread for about 80 ms
const CHECKS_WAITING = 32
const ISSUER = 'basic-auth' // `idp` of the identity: it was the operator who named the user

export interface BasicAuthParts {
  edgeId: string
  attempts: Attempts
  identify: Identify
  clock: () => number
}

interface HashedUser {
  user: string
  hash: PasswordHash
}

export function basicAuth(config: BasicAuthConfig, { edgeId, attempts, identify, clock }: BasicAuthParts): Action {
  // Compared by a keyed hash: how long a look-up takes tells nothing about what was nearly right.
  const key = randomBytes(32)
  const keyed = (credentials: string): string => createHmac('sha256', key).update(credentials).digest('base64')
  const identities = new Map<string, SignedIdentity>()
  /** By the keyed hash of `user:password`. Grows by what was found right only. */
  const known = new Map<string, SignedIdentity>()
  const hashed: HashedUser[] = []
  for (const { user, password } of config.credentials) {
    const identity = identities.get(user) ?? identify({ subject: user, issuer: ISSUER, groups: [] })
    identities.set(user, identity)
    const hash = parsePasswordHash(password.reveal())
    if (hash) hashed.push({ user, hash })
    else known.set(keyed(`${user}:${password.reveal()}`), identity)
  }
  const slow = new Turns(CHECKS_AT_ONCE, CHECKS_WAITING)
  // charset: RFC 7617 2.1
  const challenge = `Basic realm="${config.realm ?? edgeId}", charset="UTF-8"`
  const refuse = (code: 'credentials_required' | 'credentials_refused'): RelayError =>
    new RelayError(code, { headers: { 'www-authenticate': challenge } })

  /** Looks through the hashed passwords, for a user that nobody has as long as for one that somebody has. */
  const checkSlowly = async (credentials: string): Promise<SignedIdentity | undefined> => {
    const colon = credentials.indexOf(':')
    const user = credentials.slice(0, colon)
    const password = credentials.slice(colon + 1)
    const candidates = hashed.filter((one) => one.user === user)
    for (const { hash } of candidates.length > 0 ? candidates : hashed.slice(0, 1)) {
      const isRight = await slow.take(() => isPasswordOf(hash, password))
      if (isRight && candidates.length > 0) return identities.get(user)
    }
    return undefined
  }

  return async (exchange, next) => {
    const written = behindScheme(exchange.header('authorization'), 'Basic')
    if (written === undefined) throw refuse('credentials_required')
    exchange.hasCredentials = true
    const now = clock()
    if (attempts.isExhausted(exchange.clientIp, now)) throw new RelayError('too_many_requests')
    const credentials = readCredentials(written)
    if (credentials === undefined) throw refuse('credentials_refused')
    const digest = keyed(credentials)
    let identity = known.get(digest)
    if (!identity) {
      // Counted before it is looked at: many tries at once are many.
      attempts.add(exchange.clientIp, now)
      if (hashed.length > 0) identity = await checkSlowly(credentials)
      if (!identity) throw refuse('credentials_refused')
      known.set(digest, identity)
    }
    refuseForeignUpgrade(exchange)
    if (!config.forward_credentials) withhold(exchange, 'authorization')
    await pass(exchange, identity, now)
    await next()
  }
}

async function pass(exchange: Exchange, identity: SignedIdentity, now: number): Promise<void> {
  const told = identity.at(now)
  exchange.identity = told instanceof Promise ? await told : told
}

/** RFC 7617 2: base64 of `user:password` in UTF-8. */
function readCredentials(written: string): string | undefined {
  if (written.length > CREDENTIALS_MAX_CHARS || !/^[A-Za-z0-9+/]+={0,2}$/.test(written)) return undefined
  const credentials = Buffer.from(written, 'base64').toString('utf8')
  return credentials.includes(':') ? credentials : undefined
}

/** Lets a few work at once and a few more wait. */
class Turns {
  readonly #atOnce: number
  readonly #waitingMax: number
  readonly #waiting: (() => void)[] = []
  #working = 0

  constructor(atOnce: number, waitingMax: number) {
    this.#atOnce = atOnce
    this.#waitingMax = waitingMax
  }

  /** @throws RelayError `too_many_requests` where too many wait already */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#working >= this.#atOnce) {
      if (this.#waiting.length >= this.#waitingMax) throw new RelayError('too_many_requests')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#working++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#working--
    }
  }
}
