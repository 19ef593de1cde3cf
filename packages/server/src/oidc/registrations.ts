// All published sign-ins: by edge for its pages, by scope for sessions, by name for answers of providers. All sign-ins
// of an edge are added, changed and removed in one turn.

import type { SignInName } from '../seal/sign-in-name.ts'
import type { Registration, ScopeNeeds } from './registration/registration.ts'
import { needsOf } from './scope-needs.ts'
import type { FoundRegistration } from './sign-in/parts.ts'

export class Registrations {
  /** The sign-ins of an edge as its routes name them. Edges without sign-ins are not in this map. */
  readonly #ofEdge = new Map<string, readonly Registration[]>()
  /**
   * The same by auth_id, in the order of the configuration. If several routes have a sign-in with the same auth_id,
   * one of these is enough.
   */
  readonly #byAuthId = new Map<string, ReadonlyMap<string, Registration>>()
  readonly #byScope = new Map<string, Set<Registration>>()
  /** Computed from #byScope on demand. */
  readonly #needs = new Map<string, ScopeNeeds>()

  /** Replaces the sign-ins of an edge. */
  publish(edgeId: string, registrations: readonly Registration[]): void {
    const before = this.#ofEdge.get(edgeId)
    for (const registration of registrations) this.#add(registration)
    for (const registration of before ?? []) this.#delete(registration)
    if (registrations.length === 0) {
      this.#ofEdge.delete(edgeId)
      this.#byAuthId.delete(edgeId)
      return
    }
    this.#ofEdge.set(edgeId, registrations)
    this.#byAuthId.set(edgeId, new Map(registrations.map((each) => [each.config.auth_id, each])))
  }

  /** Removes the sign-ins that publish() was given, unless others have replaced them. */
  withdraw(edgeId: string, registrations: readonly Registration[]): void {
    if (this.#ofEdge.get(edgeId) === registrations) this.publish(edgeId, [])
  }

  /** Whether an edge has a sign-in. */
  has(edgeId: string): boolean {
    return this.#ofEdge.has(edgeId)
  }

  /** The sign-ins of an edge, one for each auth_id, in the order of the configuration. */
  ofEdge(edgeId: string): Registration[] {
    return [...(this.#byAuthId.get(edgeId)?.values() ?? [])]
  }

  /** A sign-in that takes sessions of this scope; undefined if there is none any more. */
  ofScope(scope: string): Registration | undefined {
    for (const registration of this.#byScope.get(scope) ?? []) {
      const { edgeId, config } = registration
      if (this.#byAuthId.get(edgeId)?.get(config.auth_id) === registration) return registration
    }
    return undefined
  }

  /** The needs of all routes that accept sessions of a sign-in; only those of its own route if it is not published. */
  needsOf({ scope, config }: Registration): ScopeNeeds {
    const known = this.#needs.get(scope)
    if (known) return known
    const registrations = this.#byScope.get(scope)
    if (!registrations) return needsOf([config])
    const needs = needsOf(Array.from(registrations, (each) => each.config))
    this.#needs.set(scope, needs)
    return needs
  }

  /** The sign-in of a `state`. Not found if the edge now has another issuer or client under the same `auth_id`. */
  find({ name, client, host }: SignInName & { host: string }): FoundRegistration {
    let lost = `the sign-in at ${host}`
    for (const registration of this.all()) {
      if (registration.name.name !== name) continue
      if (registration.name.client === client) return { ok: true, registration }
      lost = `sign-in ${registration.config.auth_id} of ${registration.edgeId}`
    }
    return { ok: false, detail: `${lost} is not configured any more` }
  }

  *all(): Generator<Registration> {
    for (const registrations of this.#byAuthId.values()) yield* registrations.values()
  }

  #add(registration: Registration): void {
    const { scope } = registration
    const same = this.#byScope.get(scope)
    if (same) same.add(registration)
    else this.#byScope.set(scope, new Set([registration]))
    this.#needs.delete(scope)
  }

  #delete(registration: Registration): void {
    const { scope } = registration
    const same = this.#byScope.get(scope)
    same?.delete(registration)
    if (same?.size === 0) this.#byScope.delete(scope)
    this.#needs.delete(scope)
  }
}
