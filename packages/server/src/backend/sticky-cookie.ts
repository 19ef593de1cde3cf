// The cookie that keeps a visitor with one tunnel. Its value is a keyed hash of the tunnel's lasting id, bound to the edge
// and the cookie's name: it reveals nothing, cannot be forged, and means nothing on another edge. It only ever chooses
// among the tunnels of the route's own backend.

import { createHmac } from 'node:crypto'

import type { Exchange } from '../exchange/exchange.ts'
import { readCookie } from '../exchange/read-cookie.ts'
import type { Tunnel } from '../tunnel/tunnel.ts'

const PIN_BYTES = 16

export interface StickyCookieInit {
  /** As in the configuration. */
  name: string
  /** Without it the cookie lasts as long as the browser runs. */
  maxAgeMs: number | undefined
  edgeId: string
  /** 32 bytes, made for this purpose only. */
  key: Uint8Array
}

export class StickyCookie {
  readonly #init: StickyCookieInit
  readonly #pins = new WeakMap<Tunnel, string>()

  constructor(init: StickyCookieInit) {
    this.#init = init
  }

  /** The visitor's value, unchecked: it counts only if a tunnel of the backend has this pin. */
  pinOf(exchange: Exchange): string | undefined {
    return readCookie(exchange.header('cookie'), this.#nameFor(exchange))
  }

  /** The value for a visitor who should come back to this tunnel. */
  pinFor(tunnel: Tunnel): string {
    let pin = this.#pins.get(tunnel)
    if (pin === undefined) {
      const { key, edgeId, name } = this.#init
      const mac = createHmac('sha256', key).update(`${edgeId}\0${name}\0${tunnel.lastingId}`).digest()
      pin = mac.subarray(0, PIN_BYTES).toString('base64url')
      this.#pins.set(tunnel, pin)
    }
    return pin
  }

  /** The Set-Cookie value that makes the visitor come back to `tunnel`; undefined if the visitor has it already. */
  lineFor(exchange: Exchange, tunnel: Tunnel): string | undefined {
    const pin = this.pinFor(tunnel)
    if (this.pinOf(exchange) === pin) return undefined
    const { maxAgeMs } = this.#init
    const age = maxAgeMs === undefined ? '' : `; Max-Age=${Math.ceil(maxAgeMs / 1000)}`
    const secure = isSecure(exchange) ? '; Secure' : ''
    return `${this.#nameFor(exchange)}=${pin}; Path=/${age}; HttpOnly; SameSite=Lax${secure}`
  }

  /** Every cookie that begins like this is the relay's own: it never reaches the app, and the app cannot set it. */
  #nameFor(exchange: Exchange): string {
    return `${isSecure(exchange) ? '__Host-' : ''}sallyport.${this.#init.name}.tunnel`
  }
}

/** Browsers take `__Host-` on https only (RFC 6265bis 4.1.3.2). */
function isSecure(exchange: Exchange): boolean {
  return exchange.origin.startsWith('https:')
}
