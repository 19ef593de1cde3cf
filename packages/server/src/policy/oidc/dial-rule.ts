// Where requests to a provider may go. The operator wrote one URL; everything else is the provider's word.
// Pure: no I/O, no clock.

import { placeOfAddress } from './address-place.ts'

export class DialRule {
  /** The origin of the URL that the operator wrote; it may be anywhere. */
  readonly home: string
  /** Until it has answered, which comes first: who can name addresses for a host need not be able to answer as it. */
  #homeIsPrivate = false

  constructor(home: string) {
    this.home = new URL(home).origin
  }

  /**
   * Other origins may be in a private network only where home is in one itself, and never on this machine.
   * @param addresses all that the origin's host stands for
   * @returns the first that must not be dialled
   */
  refusedOf(origin: string, addresses: readonly string[]): string | undefined {
    if (origin === this.home) return undefined
    return addresses.find((address) => {
      const place = placeOfAddress(address)
      return place === 'never' || (place === 'private' && !this.#homeIsPrivate)
    })
  }

  /** @param address from which an answer came */
  answered(origin: string, address: string): void {
    if (origin === this.home) this.#homeIsPrivate = placeOfAddress(address) === 'private'
  }
}
