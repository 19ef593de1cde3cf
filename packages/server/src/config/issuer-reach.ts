// The networks in which agents may name identity providers: the internet, private networks that the operator lists, and
// the relay's own machine only if the relay cannot be reached from elsewhere, as in development. Pure.

import { BlockList, isIP } from 'node:net'

import { placeOfAddress } from '../values/address-place.ts'
import { parseCidr } from '../values/cidr.ts'
import type { Config } from './config.ts'
import { isLoopbackHost } from '../values/host-pattern.ts'

/** The part of the configuration that this needs. */
export interface IssuerPlaces extends Pick<Config, 'public_url' | 'endpoints'> {
  listen: Pick<Config['listen'], 'http' | 'https'>
}

export class IssuerReach {
  readonly #privateRanges = new BlockList()
  readonly #isLocal: boolean

  constructor({ public_url, listen, endpoints }: IssuerPlaces) {
    const hosts = [listen.http, listen.https].flatMap((address) => (address ? [address.host ?? ''] : []))
    this.#isLocal = [public_url.hostname, ...hosts].every((host) => isLoopbackHost(host))
    for (const written of endpoints.private_issuers) {
      const cidr = parseCidr(written)
      if ('problem' in cidr) throw new TypeError(cidr.problem) // the configuration was checked before
      this.#privateRanges.addSubnet(cidr.address, cidr.prefix, cidr.family)
    }
  }

  /** @param isIssuer whether it is the address of the issuer itself, not of another server that it names */
  admits(address: string, isIssuer: boolean): boolean {
    switch (placeOfAddress(address)) {
      case 'public':
        return true
      case 'private':
        return this.#privateRanges.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
      case 'loopback':
        return isIssuer && this.#isLocal
      case 'never':
        return false
    }
  }

  /**
   * Checks only the text of an issuer; the addresses of a name are checked when it is dialled.
   * @returns the end of a sentence
   */
  problemOf(issuer: URL): string | undefined {
    const host = issuer.hostname.replace(/^\[(.*)\]$/, '$1')
    const address = isIP(host) !== 0 ? host : isLoopbackHost(host) ? '127.0.0.1' : undefined // RFC 6761 6.3
    if (address === undefined || this.admits(address, true)) return undefined
    if (placeOfAddress(address) === 'private') {
      return 'is in a private network that is not among endpoints.private_issuers of the relay; write the public address'
    }
    return 'is on the machine of the relay or beside it, and an agent may not make the relay send requests there; write the public address'
  }
}
