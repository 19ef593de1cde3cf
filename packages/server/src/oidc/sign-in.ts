// Sign-in with OpenID Connect, as the rest of the relay sees it: the sign-ins of each edge, the pages under
// `/.sallyport/` on edge hosts, the shared pages on the relay's own host, and the sessions. Code that needs
// openid-client and jose is loaded with the first sign-in: a relay without sign-ins never loads it.

import { CALLBACK } from '../model/redirect-uri.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import { OPEN_SITE, RelayError } from '../errors.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { Attempts } from '../exchange/attempts.ts'
import type { OnFault } from '../exchange/border.ts'
import { renderPage } from '../pages/page.ts'
import { readCookie } from '../exchange/read-cookie.ts'
import type { Store } from '../store/store.ts'
import type { IdentityTokens } from '../identity/identity-tokens.ts'
import { AccessTokens } from './tokens/access-token.ts'
import { Boxes } from '../seal/boxes.ts'
import { ClaimsRefresh } from './tokens/claims-refresh.ts'
import { choicePage } from './gate/choice-page.ts'
import type { Keys } from '../keys.ts'
import type { Logger } from '../log.ts'
import { readParameters } from './sign-in/parameters.ts'
import { EdgeSignIns } from './edge-sign-ins.ts'
import type { SignInParts } from './sign-in/parts.ts'
import type { ProviderAuthorities } from './provider/provider-authorities.ts'
import { ProviderLogout } from './sign-out/provider-logout.ts'
import { Providers } from './providers.ts'
import type { Registration } from './registration/registration.ts'
import { Registrations } from './registrations.ts'
import { checkSession } from '../session/session-check.ts'
import type { LiveSession, SessionUse } from '../session/live-session.ts'
import { sessionName } from '../session/session-row.ts'
import type { SessionSummary } from '../session/session-summary.ts'
import { Sessions } from '../session/sessions.ts'
import { handOver, refuseOldCallback } from './sign-in/shared-callback.ts'
import { TokenRevocation } from './sign-out/token-revocation.ts'
import { returnSignedOut, showSignedOut, signOut, signOutAtProvider } from './sign-out/sign-out.ts'

const KEEP_UNKNOWN_MS = 86_400_000 // as long as the host of an endpoint stays reserved
const STALE_LOOK_MS = 3_600_000

export interface SignInInit {
  publicUrl: URL
  store: Store
  keys: Keys
  identityTokens: IdentityTokens
  log: Logger
  onFault: OnFault
  /** As SignInParts has it. */
  originOf: SignInParts['originOf']
  /** For one request to a provider. */
  providerTimeoutMs: number
  /** The authorities of `provider_ca_file`. */
  authorities?: ProviderAuthorities
  /** Counts the callbacks and refused sign-outs of an address. */
  countAttempts: (of: 'callbacks' | 'refused sign-outs') => Attempts
  clock?: () => number
}

export interface SessionControl {
  list(): SessionSummary[]
  /** Ends a session at once, with its exchanges. False if it does not exist. Throws `StoreUnavailable`. */
  revoke(id: string): Promise<boolean>
}

export class SignIn {
  readonly sessions: SessionControl
  readonly #parts: SignInParts
  readonly #providerLogout: ProviderLogout
  readonly #tokenRevocation: TokenRevocation
  #staleTimer: NodeJS.Timeout | undefined
  readonly #providers: Providers
  readonly #registrations = new Registrations()

  private constructor(init: SignInInit, clock: () => number, boxes: Boxes, sessions: Sessions) {
    const { log, onFault, providerTimeoutMs: timeoutMs, authorities } = init
    this.#providers = new Providers({ timeoutMs, authorities, clock, log })
    const registrationOf = (scope: string): Registration | undefined => this.#registrations.ofScope(scope)
    const claimsRefresh = new ClaimsRefresh({ sessions, clock, log, onFault, registrationOf })
    sessions.whenDue((session) => void claimsRefresh.refresh(session))
    this.#tokenRevocation = new TokenRevocation({ sessions, clock, log, onFault, registrationOf })
    sessions.whenRevoked((session, tokens, how) =>
      this.#tokenRevocation.add(session, tokens, how === 'revoked after sign-out'),
    )
    this.#parts = {
      publicOrigin: init.publicUrl.origin,
      boxes,
      sessions,
      claimsRefresh,
      accessTokens: new AccessTokens(sessions.tokens),
      identityTokens: init.identityTokens,
      attempts: init.countAttempts('callbacks'),
      clock,
      log,
      onFault,
      findRegistration: (of) => this.#registrations.find(of),
      originOf: init.originOf,
      registrationOf,
    }
    this.#providerLogout = new ProviderLogout({
      store: init.store,
      parts: this.#parts,
      registrations: () => this.#registrations.all(),
      refusals: init.countAttempts('refused sign-outs'),
    })
    this.sessions = { list: () => sessions.list(), revoke: (id) => revoke(sessions, id) }
  }

  /** Loads the sessions. Throws `StoreUnavailable`. No provider is asked yet. */
  static async open(init: SignInInit): Promise<SignIn> {
    const clock = init.clock ?? Date.now
    const boxes = new Boxes(init.keys)
    const sessions = await Sessions.open({ store: init.store, boxes, clock, log: init.log })
    return new SignIn(init, clock, boxes, sessions)
  }

  get sessionCount(): number {
    return this.#parts.sessions.size
  }

  /** See Sessions. */
  sessionUses(): Iterable<[session: LiveSession, use: SessionUse]> {
    return this.#parts.sessions.uses()
  }

  /**
   * The sign-ins of an edge, to be made and published.
   * @param reach the places where its providers may be, if an agent has brought the edge
   */
  signInsFor(edgeId: string, reach?: IssuerReach): EdgeSignIns {
    const [parts, registrations, providers] = [this.#parts, this.#registrations, this.#providers]
    return new EdgeSignIns({ edgeId, reach, parts, registrations, providers })
  }

  /** Answers a path under `/.sallyport/` on the edge's own host. The exchange knows its edge and origin. */
  async edgePages(exchange: Exchange): Promise<void> {
    const registrations = this.#registrations.ofEdge(exchange.edgeId)
    if (registrations.length === 0) throw noSuchPage()
    exchange.knownUser = this.#userOf(exchange, registrations)
    switch (exchange.path) {
      case '/.sallyport/login':
        return this.#logIn(onlyGet(exchange), registrations)
      case '/.sallyport/oidc/callback':
        return (await import('./sign-in/edge-callback.ts')).finishSignIn(onlyGet(exchange), this.#parts)
      case '/ngrok/login':
        return leadFromNgrok(onlyGet(exchange), '/.sallyport/login')
      case '/ngrok/logout':
        return leadFromNgrok(onlyGet(exchange), '/.sallyport/logout')
      case '/.sallyport/logout':
        return signOut(exchange, registrations, this.#parts)
      case '/.sallyport/logout/provider':
        return signOutAtProvider(onlyGet(exchange), choose(exchange, registrations), this.#parts)
      case '/.sallyport/signed-out':
        return showSignedOut(onlyGet(exchange), '/')
      default:
        throw noSuchPage()
    }
  }

  /** Answers on the host of `public_url`. */
  async publicPages(exchange: Exchange): Promise<void> {
    if (exchange.path.startsWith(`${CALLBACK}/`)) return handOver(onlyGet(exchange), this.#parts)
    switch (exchange.path) {
      case CALLBACK:
        return refuseOldCallback()
      case '/oidc/backchannel-logout':
        return this.#providerLogout.backchannel(exchange)
      case '/oidc/frontchannel-logout':
        return this.#providerLogout.frontchannel(onlyGet(exchange))
      case '/oidc/signed-out':
        return returnSignedOut(onlyGet(exchange), this.#parts)
      case '/.well-known/jwks.json':
        return onlyGet(exchange).respond(
          200,
          {
            'content-type': 'application/jwk-set+json',
            'cache-control': 'public, max-age=300',
            'x-content-type-options': 'nosniff',
          },
          `${JSON.stringify(this.#parts.identityTokens.jwks(this.#parts.clock()))}\n`,
        )
      default:
        throw new RelayError('page_not_found', { advice: ({ ownHost }) => ownHost })
    }
  }

  /**
   * Ends sessions whose sign-in is gone from its edge, because the route has another provider or client now. Sessions
   * of unknown edges stay for a day: an agent may bring its endpoint back. Checks every hour.
   * @param isConfigured whether the operator has an edge of this id, which may be without a sign-in
   */
  endStale(isConfigured: (edgeId: string) => boolean): void {
    const { sessions, clock, log } = this.#parts
    const look = (): void => {
      const now = clock()
      const scopes = new Set(Array.from(this.#registrations.all(), (registration) => registration.scope))
      const count = sessions.endWhere(({ row, scope, lastSeen }) => {
        const isKnown = isConfigured(row.edge) || this.#registrations.has(row.edge)
        if (!isKnown) return now - lastSeen >= KEEP_UNKNOWN_MS
        return !scopes.has(scope)
      }, 'its sign-in is gone')
      if (count > 0) log.info({ count }, 'sessions have ended: their sign-in is gone from the configuration')
    }
    look()
    clearInterval(this.#staleTimer)
    this.#staleTimer = setInterval(look, STALE_LOOK_MS).unref()
  }

  /** Stops following the store. The sessions stay there. */
  async close(): Promise<void> {
    clearInterval(this.#staleTimer)
    await this.#parts.claimsRefresh.close()
    await this.#tokenRevocation.close()
    await this.#parts.sessions.close()
  }

  /**
   * The user of the browser's session, for the log. It comes from memory alone, so that an invented cookie never causes
   * a query of the store.
   */
  #userOf(exchange: Exchange, registrations: readonly Registration[]): string | undefined {
    const now = this.#parts.clock()
    for (const registration of registrations) {
      const { scope, config } = registration
      const id = readCookie(exchange.header('cookie'), registration.cookies(exchange.origin).session)
      const session = this.#parts.sessions.find(id)
      const rules = { scope, idleMs: config.idle_session_duration, maxMs: config.max_session_duration }
      if (session && checkSession(session, rules, now).ok) return session.row.subject
    }
    return undefined
  }

  async #logIn(exchange: Exchange, registrations: readonly Registration[]): Promise<void> {
    const read = readParameters(exchange.target, { auth_id: 64, return_to: 8192, force: 8, again: 8 })
    if (!read.ok) throw new RelayError('bad_request', { detail: read.detail })
    const { auth_id, return_to = '/', force, again } = read.values
    if (auth_id === undefined && registrations.length > 1) return showChoice(exchange, registrations, return_to)
    const { sendToProvider } = await import('./sign-in/authorization.ts')
    await sendToProvider(exchange, choose(exchange, registrations), this.#parts, return_to, {
      force: force === '1',
      again: again === '1',
    })
  }
}

/** Apps that were behind ngrok link to its paths. */
function leadFromNgrok(exchange: Exchange, path: string): void {
  const read = readParameters(exchange.target, { auth_id: 64, redirect_path: 8192 })
  if (!read.ok) throw new RelayError('bad_request', { detail: read.detail })
  const { auth_id, redirect_path: return_to } = read.values
  const query = new URLSearchParams({
    ...(auth_id !== undefined && { auth_id }),
    ...(return_to !== undefined && { return_to }),
  })
  const location = query.size > 0 ? `${path}?${query.toString()}` : path
  exchange.respond(303, { location, 'cache-control': 'no-store' })
}

async function revoke(sessions: Sessions, name: string): Promise<boolean> {
  for (const { key } of sessions.all()) {
    if (sessionName(key) === name) return sessions.end(key, 'revoked', 'revoked')
  }
  return false
}

function onlyGet(exchange: Exchange): Exchange {
  if (exchange.method === 'GET' || exchange.method === 'HEAD') return exchange
  throw new RelayError('method_not_allowed', { headers: { allow: 'GET, HEAD' } })
}

/** The sign-in that `auth_id` names, or the only one. */
function choose(exchange: Exchange, registrations: readonly Registration[]): Registration {
  const read = readParameters(exchange.target, { auth_id: 64 })
  const authId = read.ok ? read.values.auth_id : ''
  const found =
    authId === undefined && registrations.length === 1
      ? registrations[0]
      : registrations.find(({ config }) => config.auth_id === authId)
  if (!found) throw noSuchPage()
  return found
}

/** For paths under `/.sallyport/` of an edge, whose pages may link to the start page. */
function noSuchPage(): RelayError {
  return new RelayError('page_not_found', { wayOn: OPEN_SITE })
}

function showChoice(exchange: Exchange, registrations: readonly Registration[], wanted: string): void {
  const { frame, texts } = exchange
  const body = choicePage(registrations, wanted, texts)
  const page = renderPage({ title: texts.choose.title, body }, frame)
  exchange.respond(200, page.headers, page.body)
}
