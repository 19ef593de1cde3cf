// Where requests to a provider may go. The operator wrote one URL; everything else is the provider's word. Of a policy
// that an agent has brought, nothing is the operator's word.
// Pure: no I/O, no clock.

import { placeOfAddress } from '../../values/address-place.ts'
import type { IssuerReach } from '../../config/issuer-reach.ts'

export class DialRule {
  /** The origin of the issuer. Where the operator wrote its URL, it may be anywhere. */
  readonly home: string
  /** Of an issuer that an agent has named. */
  readonly #reach: IssuerReach | undefined
  /** Until it has answered, which comes first: who can name addresses for a host need not be able to answer as it. */
  #homeIsPrivate = false

  constructor(home: string, reach?: IssuerReach) {
    this.home = new URL(home).origin
    this.#reach = reach
  }

  /**
   * Other origins may be in a private network only where home is in one itself, and never on this machine. For an issuer
   * that an agent has named, home is no exception.
   * @param addresses all that the origin's host stands for
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

  /** @param address from which an answer came */
  answered(origin: string, address: string): void {
    if (origin === this.home) this.#homeIsPrivate = placeOfAddress(address) === 'private'
  }
}
