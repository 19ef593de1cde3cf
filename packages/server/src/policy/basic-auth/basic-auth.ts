// `basic-auth`: a few users with passwords (RFC 7617). Attempts are counted by network and by user, so guessing is
// slow.

import { createHmac, randomBytes } from 'node:crypto'

import type { BasicAuthConfig } from './kind.ts'
import type { LimitName } from '../../config/config.ts'
import { isPasswordOf, parsePasswordHash, type PasswordHash } from '../../values/password-hash.ts'
import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Action } from '../../exchange/action.ts'
import { behindScheme, refuseForeignUpgrade, withhold } from '../credentials.ts'
import type { Leniency } from '../leniency.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import { lateCredentials } from './late-credentials.ts'
import type { LateCredentialsParts } from './late-credentials.ts'
import { isLate } from '../late-text.ts'
import type { PasswordQueue } from './password-queue.ts'
import { noteNetwork, triedUser, type PasswordTries, type TriedUser } from './password-tries.ts'
import type { Identify, SignedIdentity } from '../../identity/signed-identity.ts'

const CREDENTIALS_MAX_CHARS = 1024 // base64 of a user and 128 characters, with much to spare
const GUESTS_MAX = 1000 // names that a policy makes while it runs
const ISSUER = 'basic-auth' // `idp` of the identity: the operator has named the user

export interface BasicAuthParts extends LateCredentialsParts {
  /** The tenant of the edge; see PasswordQueue. */
  tenant: string
  passwordTries: PasswordTries
  passwordQueue: PasswordQueue
  identify: Identify
  leniency: Leniency
  clock: () => number
}

/** One user of the list, with all of their passwords. */
interface User extends TriedUser {
  identity: SignedIdentity
  hashes: PasswordHash[]
}

/** A password that has been checked and is right. */
interface Known {
  user: User
  /** The address that used it last. It is written when it changes, not at every request. */
  address: string
}

export function basicAuth(config: BasicAuthConfig, parts: BasicAuthParts & Partial<Remembering>): Action {
  const {
    readsResult = () => false,
    edgeId,
    leniency,
    tenant,
    passwordTries: tries,
    passwordQueue: queue,
    identify,
    clock,
  } = parts
  // Passwords are compared by a keyed hash, so the time of a look-up reveals nothing about passwords that are nearly
  // right.
  const key = randomBytes(32)
  const keyed = (credentials: string): string => createHmac('sha256', key).update(credentials).digest('base64')
  const users = new Map<string, User>()
  /** By the keyed hash of `user:password`. Only right ones are added. */
  const known = new Map<string, Known>()
  const userOf = (name: string): User => ({
    ...triedUser(edgeId, name, true),
    identity: identify({ subject: name, issuer: ISSUER, groups: [] }),
    hashes: [],
  })
  for (const credential of config.credentials) {
    if (isLate(credential)) continue
    const { user: name, password } = credential
    const user = users.get(name) ?? userOf(name)
    users.set(name, user)
    const hash = parsePasswordHash(password.reveal())
    if (hash) user.hashes.push(hash)
    else known.set(keyed(`${name}:${password.reveal()}`), { user, address: '' })
  }
  const isRead = readsResult('basic_auth')
  const late = config.credentials.filter(isLate)
  const guestsOf = late.length > 0 ? guestsFrom(lateCredentials(late, parts), keyed, userOf) : undefined
  /** For unknown names and users without a hash, so that their check takes as long as that of a user with a hash. */
  const anyHash = [...users.values()].flatMap(({ hashes }) => hashes).slice(0, 1)
  // charset: RFC 7617 2.1
  const challenge = `Basic realm="${config.realm ?? edgeId}", charset="UTF-8"`
  const refuse = (code: 'credentials_required' | 'credentials_refused'): RelayError =>
    new RelayError(code, { headers: { 'www-authenticate': challenge } })

  const isRight = async (hashes: readonly PasswordHash[], password: string, exchange: Exchange): Promise<boolean> => {
    for (const hash of hashes) {
      const verdict = await queue.take(tenant, async () => {
        // The visitor has left, and others wait.
        if (exchange.response.destroyed) throw refuse('credentials_refused')
        return isPasswordOf(hash, password)
      })
      if (verdict) return true
    }
    return false
  }

  const authenticate = async (exchange: Exchange, guests: Guests | undefined): Promise<void> => {
    const written = behindScheme(exchange.header('authorization'), 'Basic')
    if (written === undefined) throw refuse('credentials_required')
    exchange.hasCredentials = true
    const now = clock()
    const { clientIp } = exchange
    if (tries.isAddressExhausted(clientIp, now)) throw tooManyTries('failed_passwords_per_minute')
    const read = readCredentials(written)
    if (read === undefined) throw refuse('credentials_refused')
    const user = users.get(read.user) ?? guests?.users.get(read.user)
    const tried = user ?? triedUser(edgeId, read.user, false)
    if (tries.isUserExhausted(tried, clientIp, now)) throw tooManyTries('failed_passwords_per_user_per_minute')
    const digest = keyed(`${read.user}:${read.password}`)
    let found = known.get(digest) ?? guests?.known.get(digest)
    if (!found) {
      const hasHashes = user !== undefined && user.hashes.length > 0
      const hashes = hasHashes ? user.hashes : anyHash
      // Counted before the comparison, so that concurrent attempts all count.
      tries.add(tried, clientIp, hashes.length, now)
      if (!(await isRight(hashes, read.password, exchange)) || !hasHashes) throw refuse('credentials_refused')
      known.set(digest, (found = { user, address: '' }))
    }
    exchange.knownUser = read.user
    if (found.address !== clientIp) {
      noteNetwork(found.user, clientIp)
      found.address = clientIp
    }
    refuseForeignUpgrade(exchange)
    if (!config.forward_credentials) withhold(exchange, 'authorization')
    await pass(exchange, found.user.identity, now)
    if (isRead) {
      const credentials = { presented: true, username: read.user, authorized: true }
      noteResult(exchange, 'basic_auth', { credentials })
    }
  }

  return async (exchange, next) => {
    const guests = guestsOf?.(exchange) // if it throws, nobody passes, even with enforce: false
    try {
      await authenticate(exchange, guests)
    } catch (error) {
      if (config.enforce || !(error instanceof RelayError)) throw error
      leniency.note({ edgeId, action: 'basic-auth', detail: error.code })
      if (isRead) noteResult(exchange, 'basic_auth', { credentials: presentedBy(exchange) })
    }
    await next()
  }
}

/** The users of one request, whose passwords have been made for it. */
interface Guests {
  readonly users: ReadonlyMap<string, User>
  readonly known: ReadonlyMap<string, Known>
}

/** Users are remembered, with the networks that they come from. */
function guestsFrom(
  credentialsOf: ReturnType<typeof lateCredentials>,
  keyed: (credentials: string) => string,
  userOf: (name: string) => User,
): (exchange: Exchange) => Guests {
  const remembered = new Map<string, User>()
  return (exchange) => {
    const users = new Map<string, User>()
    const known = new Map<string, Known>()
    for (const { user: name, password } of credentialsOf(exchange)) {
      const user = remembered.get(name) ?? userOf(name)
      if (!remembered.has(name) && remembered.size >= GUESTS_MAX) remembered.clear()
      remembered.set(name, user)
      users.set(name, user)
      known.set(keyed(`${name}:${password}`), { user, address: '' })
    }
    return { users, known }
  }
}

/** The result for a visitor who has shown no right password. */
function presentedBy(exchange: Exchange): { presented: boolean; username: string; authorized: boolean } {
  const written = behindScheme(exchange.header('authorization'), 'Basic')
  const { user = '' } = (written !== undefined && readCredentials(written)) || {}
  return { presented: written !== undefined, username: user, authorized: false }
}

function tooManyTries(limit: LimitName): RelayError {
  return new RelayError('too_many_requests', { limit })
}

async function pass(exchange: Exchange, identity: SignedIdentity, now: number): Promise<void> {
  const told = identity.at(now)
  exchange.identity = told instanceof Promise ? await told : told
}

/** RFC 7617 2: base64 of `user:password` in UTF-8. */
function readCredentials(written: string): { user: string; password: string } | undefined {
  if (written.length > CREDENTIALS_MAX_CHARS || !/^[A-Za-z0-9+/]+={0,2}$/.test(written)) return undefined
  const credentials = Buffer.from(written, 'base64').toString('utf8')
  const colon = credentials.indexOf(':')
  if (colon === -1) return undefined
  return { user: credentials.slice(0, colon), password: credentials.slice(colon + 1) }
}
