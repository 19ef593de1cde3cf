// Which sign-ins there are: by edge for its pages, by scope for the sessions, by name for the answers of providers. Those of
// an edge come, change and go together, in one turn.

import type { SignInName } from '../seal/sign-in-name.ts'
import type { Registration, ScopeNeeds } from './registration/registration.ts'
import { needsOf } from './scope-needs.ts'
import type { FoundRegistration } from './sign-in/parts.ts'

export class Registrations {
  /** The sign-ins of an edge as its routes name them. No edge without any. */
  readonly #ofEdge = new Map<string, readonly Registration[]>()
  /** The same by auth_id, in the order of the configuration: several routes may name one, and any of those will do. */
  readonly #byAuthId = new Map<string, ReadonlyMap<string, Registration>>()
  readonly #byScope = new Map<string, Set<Registration>>()
  /** What has been asked for of #byScope, until it changes. */
  readonly #needs = new Map<string, ScopeNeeds>()

  /** Makes these the sign-ins of an edge, in place of those that it has. */
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

  /** Takes out what publish() was given, unless the edge has others by now. */
  withdraw(edgeId: string, registrations: readonly Registration[]): void {
    if (this.#ofEdge.get(edgeId) === registrations) this.publish(edgeId, [])
  }

  /** Whether an edge has any. */
  has(edgeId: string): boolean {
    return this.#ofEdge.has(edgeId)
  }

  /** Those of an edge, one for each auth_id, in the order of the configuration. */
  ofEdge(edgeId: string): Registration[] {
    return [...(this.#byAuthId.get(edgeId)?.values() ?? [])]
  }

  /** One that takes sessions of this scope; undefined where none does any more. */
  ofScope(scope: string): Registration | undefined {
    for (const registration of this.#byScope.get(scope) ?? []) {
      const { edgeId, config } = registration
      if (this.#byAuthId.get(edgeId)?.get(config.auth_id) === registration) return registration
    }
    return undefined
  }

  /** What a session of a sign-in must hold for every route that takes it; for its own, if it is not published. */
  needsOf({ scope, config }: Registration): ScopeNeeds {
    const known = this.#needs.get(scope)
    if (known) return known
    const registrations = this.#byScope.get(scope)
    if (!registrations) return needsOf([config])
    const needs = needsOf(Array.from(registrations, (each) => each.config))
    this.#needs.set(scope, needs)
    return needs
  }

  /** The one that a `state` was sealed for: an edge may have another issuer or client by now, under the same `auth_id`. */
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
