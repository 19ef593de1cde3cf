// Decides which agent may have which host: by its authtoken, the operator's edges, the agents that serve the host now, and the
// reservations of the last day. Reserving a host asks the store, and meanwhile another agent may be faster.

import { Attempts } from '../../exchange/attempts.ts'
import type { LimitRefusals } from '../../exchange/limit-refusals.ts'
import { sharedCookieDomain } from '../../model/cookie-domains.ts'
import { permitsHost } from '../../tunnel/acl.ts'
import type { Authtoken } from '../../tunnel/authtokens.ts'
import type { EndpointRefused } from '../../tunnel/endpoint-binder.ts'
import type { Registry } from '../../tunnel/registry.ts'
import type { Reservations } from '../../tunnel/reservations.ts'
import type { AgentEdge, Wanted } from './agent-edge.ts'
import type { EndpointAddresses } from './endpoint-host.ts'
import { refuseEndpoint } from './refuse-endpoint.ts'

const NEW_HOSTS_PER_MINUTE = 60 // of one authtoken, or its own maximum if higher; each is a write to the store

export interface HostRulesInit extends EndpointAddresses {
  registry: Registry
  reservations: Reservations
  /** Whether an edge of the operator covers a host. */
  isConfigured: (host: string) => boolean
  /** The domains under which edges of the operator share sessions. */
  cookieDomains: () => ReadonlySet<string>
  maxPerAuthtoken: number
  refusals: LimitRefusals
  /** Whether an authtoken is valid: the hosts of a revoked one are free. */
  isValid: (authtokenId: string) => boolean
}

/** The hosts that agents serve now. */
export interface ServedHosts {
  at(host: string): AgentEdge | undefined
  remove(edge: AgentEdge): void
}

export class HostRules {
  readonly #init: HostRulesInit
  readonly #served: ServedHosts
  /** The number of reservations under way, by host. */
  readonly #claims = new Map<string, number>()
  readonly #newHosts: Attempts

  constructor(init: HostRulesInit, served: ServedHosts) {
    this.#init = init
    this.#served = served
    this.#newHosts = new Attempts(Math.max(NEW_HOSTS_PER_MINUTE, init.maxPerAuthtoken))
  }

  /** Whether the edges of the operator leave this host to agents. */
  isFree(host: string): boolean {
    return !this.#init.isConfigured(host) && this.#sharedDomainOf(host) === undefined
  }

  /**
   * The reason why no agent of this authtoken may have a host; undefined if one may. @param isRandom whether the relay
   * has chosen the host
   */
  refusalOf(host: string, { acl }: Authtoken, isRandom: boolean): EndpointRefused | undefined {
    const { domain, publicUrl } = this.#init
    if (!permitsHost(acl, host, domain)) {
      const reason = isRandom
        ? `this authtoken permits no random host below ${domain}; name one that it permits with --url`
        : `this authtoken does not permit the host ${host}`
      return refuseEndpoint('bind_not_permitted', reason)
    }
    if (host === publicUrl.hostname)
      return refuseEndpoint('bind_invalid', `${host} is the relay's own host; choose another`)
    if (this.#init.isConfigured(host)) {
      return refuseEndpoint(
        'bind_invalid',
        `an edge in the configuration of the relay covers ${host}; choose another host`,
      )
    }
    const shared = this.#sharedDomainOf(host)
    if (shared !== undefined) {
      return refuseEndpoint(
        'bind_invalid',
        `edges in the configuration of the relay share sessions under ${shared} (auth_cookie_domain), and ${host} could reach their cookies; choose another host`,
      )
    }
    return undefined
  }

  /** The reason why an agent may not join the agents that serve the host now; undefined if it may. */
  conflictOf(wanted: Wanted): EndpointRefused | undefined {
    const { offer, session, host } = wanted
    const served = this.#served.at(host)
    if (!served?.isOnline) return undefined
    const url = this.#init.originOf(host)
    if (served.authtokenId !== session.authtokenId) {
      return refuseEndpoint('bind_not_permitted', `${host} belongs to another authtoken; choose another name`)
    }
    const isSamePolicy = served.fits(wanted)
    if ((isSamePolicy || served.hasChanged(wanted)) && this.#init.registry.knows(offer, session)) return undefined
    const { pooling } = offer.endpoint
    if (!pooling || !served.pooling) {
      const both = pooling
        ? 'that one was not started with --pooling-enabled'
        : 'to share it, start both with --pooling-enabled'
      // An agent that is connected only to other nodes may be leaving.
      const isNear = served.tunnels.some((tunnel) => tunnel.isNear)
      return refuseEndpoint(isNear ? 'bind_invalid' : 'limit_reached', `another agent serves ${url} already; ${both}`)
    }
    if (isSamePolicy) return undefined
    return refuseEndpoint(
      'bind_invalid',
      `another agent serves ${url} with another policy; agents that pool need the same flags for sign-in, addresses and headers`,
    )
  }

  /**
   * Reserves a host for an authtoken.
   * @returns the reason why it cannot have the host; undefined if it has it now
   * @throws StoreUnavailable
   */
  async reserve(wanted: Wanted, authtoken: Authtoken): Promise<EndpointRefused | undefined> {
    const { host } = wanted
    this.#claims.set(host, (this.#claims.get(host) ?? 0) + 1)
    try {
      if (this.conflictOf(wanted)) await this.#confirmHolders(wanted)
      return this.conflictOf(wanted) ?? (await this.#take(host, authtoken))
    } finally {
      const left = (this.#claims.get(host) ?? 1) - 1
      if (left > 0) this.#claims.set(host, left)
      else this.#claims.delete(host)
    }
  }

  async #take(host: string, authtoken: Authtoken): Promise<EndpointRefused | undefined> {
    const { reservations, isValid } = this.#init
    const isNew = reservations.of(host)?.authtoken_id !== authtoken.id
    if (isNew && !this.#newHosts.take(authtoken.id, Date.now())) {
      return refuseEndpoint(
        'limit_reached',
        'agents of this authtoken have asked for too many new hosts; wait a minute',
      )
    }
    const full = await this.#makeRoom(host, authtoken)
    if (full) return full
    if (await reservations.take(host, authtoken.id, (holder) => !isValid(holder))) return undefined
    return refuseEndpoint('bind_not_permitted', `${host} belongs to another authtoken; choose another name`)
  }

  /**
   * An agent that was cut off must not keep its successor out. A stranger is refused at once, without a check of the
   * connection.
   */
  async #confirmHolders({ host, session }: Wanted): Promise<void> {
    const served = this.#served.at(host)
    if (served?.authtokenId !== session.authtokenId) return
    await Promise.all(served.tunnels.flatMap((tunnel) => tunnel.sessions.map((session) => session.confirm())))
  }

  /** Frees a host whose agent is away, the longest unused first. */
  async #makeRoom(host: string, { id }: Authtoken): Promise<EndpointRefused | undefined> {
    const { reservations, maxPerAuthtoken } = this.#init
    const others = reservations.hostsOf(id).filter((other) => other !== host)
    if (others.length < maxPerAuthtoken) return undefined
    const idle = others.find((other) => !this.#served.at(other)?.isOnline && !this.#claims.has(other))
    if (idle === undefined) {
      this.#init.refusals.count('endpoints_per_authtoken')
      return refuseEndpoint(
        'bind_invalid',
        `this authtoken already has ${maxPerAuthtoken} endpoints, which is the limit`,
      )
    }
    const served = this.#served.at(idle)
    if (served) this.#served.remove(served)
    await reservations.release(idle)
    return undefined
  }

  #sharedDomainOf(host: string): string | undefined {
    return sharedCookieDomain(host, this.#init.cookieDomains())
  }
}
