// A sign-out that began at the provider, in two ways, on the relay's own host:
//
//   /oidc/backchannel-logout   the provider itself posts a signed logout token (OpenID Connect Back-Channel Logout 1.0)
// /oidc/frontchannel-logout the provider makes the visitor's browser load this in a frame (Front-Channel Logout 1.0).
// Nothing is signed, and no cookie of an edge comes along: this is not an edge's host, and browsers do not send Lax
// cookies into frames of other sites. `sid`, the provider's own id of its session, identifies the browser; no other
// site knows it.

import { hash } from 'node:crypto'

import { escapeHtml } from '@sallyport/protocol'

import { RelayError } from '../../errors.ts'
import type { Attempts } from '../../exchange/attempts.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { StoreConflict, StoreUnavailable, type Bucket, type Store } from '../../store/store.ts'
import { LOGOUT_TOKEN_AGE_S, addresseesOf, verifyLogoutToken, type LogoutToken } from './logout-token.ts'
import { CLOCK_TOLERANCE_S } from '../provider/signed-token.ts'
import { readParameters } from '../sign-in/parameters.ts'
import type { SignInParts } from '../sign-in/parts.ts'
import { readForm } from './read-form.ts'
import type { Registration } from '../registration/registration.ts'
import type { LiveSession } from '../../session/live-session.ts'

const MAX_TOKEN = 16_384
const MIN_SID = 16 // shorter ones could be guessed
const MAX_SID = 255
const USED_MS = (LOGOUT_TOKEN_AGE_S + 2 * CLOCK_TOLERANCE_S) * 1000

type Parts = Pick<SignInParts, 'sessions' | 'clock' | 'log'>

export interface ProviderLogoutInit {
  store: Store
  parts: Parts
  registrations: () => Iterable<Registration>
  /** Refused attempts of one address in a minute. */
  refusals: Attempts
}

/** Sign-ins for which a logout token is checked in the same way. */
interface Client {
  /** Any of them. */
  registration: Registration
  /** Of all of them. */
  scopes: Set<string>
}

export class ProviderLogout {
  readonly #parts: Parts
  readonly #registrations: () => Iterable<Registration>
  readonly #refusals: Attempts
  /** Logout tokens that have been used, by issuer and jti, for as long as they could be sent again. */
  readonly #used: Bucket<object>

  constructor({ store, parts, registrations, refusals }: ProviderLogoutInit) {
    this.#used = store.bucket('logout_tokens', () => ({}))
    this.#parts = parts
    this.#registrations = registrations
    this.#refusals = refusals
  }

  /** Section 2.8 of Back-Channel Logout: 200 if all sessions have ended, 400 with a reason otherwise. */
  async backchannel(exchange: Exchange): Promise<void> {
    if (exchange.method !== 'POST') throw new RelayError('method_not_allowed', { headers: { allow: 'POST' } })
    this.#checkPatience(exchange)
    const read = await readForm(exchange)
    if (!read.ok) return this.#refuse(exchange, read.detail)
    const [token, ...more] = read.form.getAll('logout_token')
    if (!token || more.length > 0) return this.#refuse(exchange, 'the form must have logout_token once')
    if (token.length > MAX_TOKEN) return this.#refuse(exchange, `logout_token is longer than ${MAX_TOKEN}`)

    const verified: { client: Client; token: LogoutToken }[] = []
    let unavailable: string | undefined
    let detail = 'issuer and audience are those of no sign-in here'
    for (const client of this.#clientsFor(token)) {
      const verdict = await this.#verify(token, client.registration)
      if (verdict.ok) verified.push({ client, token: verdict.token })
      else if (verdict.reason === 'keys_unavailable') unavailable ??= verdict.detail
      else detail = verdict.detail
    }
    if (verified.length === 0) {
      if (unavailable === undefined) return this.#refuse(exchange, detail)
      this.#refusals.add(exchange.clientIp, this.#parts.clock()) // the sender may have known that
      throw new RelayError('provider_unreachable', { detail: `logout token: ${unavailable}` })
    }
    let isNew = false
    for (const one of verified) isNew = (await this.#endBy(one.client, one.token)) || isNew
    if (!isNew) return this.#refuse(exchange, 'this logout token has been used')
    exchange.respond(200, { 'cache-control': 'no-store' })
  }

  /** Section 3 of Front-Channel Logout, with `iss` and `sid`, which the provider must be set to send. */
  async frontchannel(exchange: Exchange): Promise<void> {
    this.#checkPatience(exchange)
    const read = readParameters(exchange.target, { iss: 512, sid: MAX_SID })
    if (!read.ok) return this.#refuse(exchange, read.detail)
    const { iss, sid } = read.values
    if (iss === undefined || sid === undefined) return this.#refuse(exchange, 'the URL must have iss and sid')
    if (sid.length < MIN_SID) return this.#refuse(exchange, `sid is shorter than ${MIN_SID}`)
    const destination = exchange.header('sec-fetch-dest')
    // Requests for pictures and scripts are refused, because a provider loads this page in a frame, or redirects the
    // browser here.
    if (destination !== undefined && !['iframe', 'frame', 'document'].includes(destination)) {
      return this.#refuse(exchange, `it is not for sec-fetch-dest: ${destination.slice(0, 20)}`)
    }
    const named = comparable(iss)
    const issuers = new Set<string>()
    for (const { config } of this.#registrations())
      if (comparable(config.issuer_url) === named) issuers.add(config.issuer_url)
    const [issuer] = issuers
    if (issuer === undefined) return this.#refuse(exchange, 'iss is not the provider of a sign-in here')
    const ending = this.#find(({ row }) => row.sid === sid && issuers.has(row.issuer))
    // No session was found: the id was guessed, or the visitor was never here. The answer does not distinguish the two.
    if (ending.length === 0) this.#refusals.add(exchange.clientIp, this.#parts.clock())
    await this.#end(ending, iss, 'front-channel')
    const { lang, signOut } = exchange.texts
    const byProvider = escapeHtml(signOut.byProvider)
    exchange.respond(
      200,
      {
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-store',
        'content-security-policy': `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${new URL(issuer).origin}`,
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      },
      `<!doctype html>\n<html lang="${lang}">\n<title>${byProvider}</title>\n<p>${byProvider}</p>\n</html>\n`,
    )
  }

  /** Returns false if the token has been used already. */
  async #endBy({ registration: { config }, scopes }: Client, token: LogoutToken): Promise<boolean> {
    const isShared = config.id_token_alg === 'HS256'
    const isEnding = ({ row, scope }: LiveSession): boolean => {
      if (row.issuer !== config.issuer_url || row.client_id !== config.client_id) return false
      // Anybody who knows the client secret can make such a token, so it counts only for sign-ins with that secret.
      if (isShared && !scopes.has(scope)) return false
      return isMeant(row.subject, row.sid, token)
    }
    // The same jti from another issuer is another token. The store remembers it, so that no other process accepts the
    // token either.
    const by = [config.issuer_url, config.client_id, isShared ? [...scopes].toSorted()[0] : null]
    const name = hash('sha256', JSON.stringify([by, token.jti]), 'base64url')
    try {
      await this.#used.put(name, {}, { expectedRevision: 0, ttlMs: USED_MS })
    } catch (error) {
      if (error instanceof StoreConflict) return false
      await this.#end(this.#find(isEnding), config.issuer_url, 'back-channel') // here at least; a failure there says the same
      throw new RelayError('store_unavailable', { cause: error })
    }
    try {
      // This comes after the write, because before the store answers a write, it has reported every session that
      // another process made earlier.
      await this.#end(this.#find(isEnding), config.issuer_url, 'back-channel')
    } catch (error) {
      // The sessions have ended here, but not yet in the store. The provider may send the token again, when the store
      // is back.
      await this.#used.delete(name).catch(() => {}) // the answer reports a store that is down anyway
      throw error
    }
    return true
  }

  #find(isMeantHere: (session: LiveSession) => boolean): LiveSession[] {
    const found: LiveSession[] = []
    for (const session of this.#parts.sessions.all()) if (isMeantHere(session)) found.push(session)
    return found
  }

  async #end(ending: readonly LiveSession[], issuer: string, channel: string): Promise<void> {
    const { sessions, log } = this.#parts
    const [first] = ending // of one visitor: one subject or one session of the provider's was named
    if (first) {
      const { subject: user } = first.row
      log.info({ issuer, channel, user, count: ending.length }, 'the provider has signed a visitor out')
    }
    try {
      await Promise.all(ending.map(({ key }) => sessions.end(key, 'signed out at the provider')))
    } catch (error) {
      if (error instanceof StoreUnavailable) throw new RelayError('store_unavailable', { cause: error })
      throw error
    }
  }

  /** The clients for which a token claims to be, each once; most relays have one. */
  #clientsFor(token: string): Iterable<Client> {
    const said = addresseesOf(token)
    if (!said) return []
    const named = comparable(said.issuer)
    const found = new Map<string, Client>()
    for (const registration of this.#registrations()) {
      const { issuer_url, client_id, id_token_alg, client_secret } = registration.config
      if (comparable(issuer_url) !== named || !said.audience.includes(client_id)) continue
      // An agent may name another operator's issuer and client, with a secret of its own. And the relay may ask an
      // issuer for edges of relay.yml that it must not ask for an agent.
      const secret = id_token_alg === 'HS256' ? client_secret?.reveal() : null
      const key = JSON.stringify([registration.provider.key, issuer_url, client_id, secret])
      const client = found.get(key)
      if (client) client.scopes.add(registration.scope)
      else found.set(key, { registration, scopes: new Set([registration.scope]) })
    }
    return found.values()
  }

  async #verify(token: string, registration: Registration): ReturnType<typeof verifyLogoutToken> {
    const { config } = registration
    const ready = await registration.ready().catch((error: unknown) => errorOf(error))
    if (ready instanceof Error) return { ok: false, reason: 'keys_unavailable', detail: ready.message }
    const { metadata, keys } = ready
    return verifyLogoutToken(token, {
      issuer: metadata.issuer,
      clientId: config.client_id,
      listedAlgorithms: metadata.id_token_signing_alg_values_supported,
      keys,
      ...(config.id_token_alg === 'HS256' && { sharedSecret: config.client_secret?.reveal() ?? '' }), // '' is refused
      now: this.#parts.clock(),
    })
  }

  #checkPatience(exchange: Exchange): void {
    if (!this.#refusals.isExhausted(exchange.clientIp, this.#parts.clock())) return
    throw new RelayError('too_many_requests', { limit: 'callbacks_per_minute', headers: { 'retry-after': '60' } })
  }

  #refuse(exchange: Exchange, detail: string): void {
    this.#refusals.add(exchange.clientIp, this.#parts.clock())
    this.#parts.log.warn(
      { requestId: exchange.requestId, address: exchange.clientIp, path: exchange.path, reason: detail },
      'sign-out refused',
    )
    exchange.respond(
      400,
      {
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      },
      `${JSON.stringify({ error: 'invalid_request', error_description: detail })}\n`,
    )
  }
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/**
 * Section 2.5: a token with a sid ends that session; otherwise all sessions of the subject end. A session may not know
 * its sid.
 */
function isMeant(subject: string, sid: string | undefined, token: LogoutToken): boolean {
  if (token.sub !== undefined && token.sub !== subject) return false
  if (token.sid === undefined) return true
  return sid === undefined ? token.sub !== undefined : sid === token.sid
}

/**
 * Issuers are compared as Provider does: `https://a` and `https://a/` are the same. The signature is checked against
 * the exact issuer.
 */
function comparable(issuer: string): string {
  return URL.parse(issuer)?.href ?? issuer
}
