// The addresses to which requests to a provider may go. The operator has written one URL; all other URLs come from the
// provider. In a policy of an agent, no URL comes from the operator. Pure: no I/O, no clock.

import { placeOfAddress } from '../../values/address-place.ts'
import type { IssuerReach } from '../../config/issuer-reach.ts'

export class DialRule {
  /** The origin of the issuer. If the operator wrote its URL, it may be anywhere. */
  readonly home: string
  /** For an issuer that an agent has named. */
  readonly #reach: IssuerReach | undefined
  /**
   * Whether home has answered from a private network. Home is always asked first. DNS alone does not show it, because a
   * person who controls the DNS of a host may not be able to answer as that host.
   */
  #homeIsPrivate = false

  constructor(home: string, reach?: IssuerReach) {
    this.home = new URL(home).origin
    this.#reach = reach
  }

  /**
   * Other origins may be in a private network only if home is in one itself, and never on this machine. For an issuer
   * that an agent has named, home is no exception.
   * @param addresses all addresses of the origin's host
   * @returns the first that must not be dialled
   */
  refusedOf(origin: string, addresses: readonly string[]): string | undefined {
    const reach = this.#reach
    if (reach) return addresses.find((address) => !reach.admits(address, origin === this.home))
    if (origin === this.home) return undefined
    return addresses.find((address) => {
      const place = placeOfAddress(address)
      return place !== 'public' && !(place === 'private' && this.#homeIsPrivate)
    })
  }

  /** @param address the source of an answer */
  answered(origin: string, address: string): void {
    if (origin === this.home) this.#homeIsPrivate = placeOfAddress(address) === 'private'
  }
}
