// Sealed boxes: data that the relay gives away and wants back unread and unchanged. Every kind has a key of its own and
// names itself inside, so a box of one kind never passes for another. Pure: takes the clock.

import type { Keys } from '../keys.ts'
import type { Packing } from './packing.ts'
import { STATE_PACKING, type State } from './state.ts'
import { STATE_COOKIE_PACKING, type StateCookie } from './state-cookie.ts'

/** The contents of each kind of box. */
export interface BoxContents {
  /** The `state` parameter: travels through the provider. */
  state: State
  /** The cookie that binds a sign-in to a browser. */
  'state cookie': StateCookie
  /** From the shared callback to the edge: the provider's answer; without code and error if it came too late. */
  'hand-over': { state: string; iss?: string; code?: string; error?: string; errorDescription?: string }
  /** The cookie that carries the ID token from the sign-out to the provider. Names the sign-in of the token. */
  'sign-out': { scope: string; idToken?: string }
  /** The `state` of a sign-out at the provider. */
  'sign-out state': { origin: string }
  /** The provider's tokens of a session, at rest. Names the session, so that rows cannot be swapped. */
  'session tokens': {
    session: string
    accessToken?: { value: string; until?: number }
    idToken?: string
    refreshToken?: string
  }
}

export type BoxKind = keyof BoxContents

/** An expired box is still opened: it says where to lead the visitor, and decides nothing any more. */
export type OpenedBox<K extends BoxKind> =
  | { ok: true; content: BoxContents[K] }
  | { ok: false; reason: 'expired'; content: BoxContents[K] }
  | { ok: false; reason: 'forged' }

interface Sealed<K extends BoxKind> {
  kind: K
  expires: number
  content: BoxContents[K]
}

/**
 * Boxes that must be short: providers cut a long `state`, and browsers send up to thirty of these cookies. The others
 * are JSON.
 */
const PACKINGS: { readonly [K in BoxKind]?: Packing<BoxContents[K]> } = {
  state: STATE_PACKING,
  'state cookie': STATE_COOKIE_PACKING,
}

type BoxKeys = Pick<Keys, 'sealBox' | 'openBox' | 'openBytes'>

export class Boxes {
  readonly #keys: BoxKeys

  constructor(keys: BoxKeys) {
    this.#keys = keys
  }

  seal<K extends BoxKind>(kind: K, content: BoxContents[K], expires: number): string {
    const packing = PACKINGS[kind]
    if (packing) return this.#keys.sealBox(packedPurposeOf(kind), packing.pack(content, expires))
    const sealed: Sealed<K> = { kind, expires, content }
    return this.#keys.sealBox(purposeOf(kind), JSON.stringify(sealed))
  }

  open<K extends BoxKind>(kind: K, box: string, now: number): OpenedBox<K> {
    const sealed = this.#unseal(kind, box)
    if (!sealed) return { ok: false, reason: 'forged' }
    const { expires, content } = sealed
    return now >= expires ? { ok: false, reason: 'expired', content } : { ok: true, content }
  }

  #unseal<K extends BoxKind>(kind: K, box: string): Omit<Sealed<K>, 'kind'> | undefined {
    const packing = PACKINGS[kind]
    if (packing) {
      const bytes = this.#keys.openBytes(packedPurposeOf(kind), box)
      return bytes && packing.unpack(bytes) // authenticated, as below
    }
    const text = this.#keys.openBox(purposeOf(kind), box)
    if (text === undefined) return undefined
    const sealed = JSON.parse(text) as Sealed<K> // authenticated: only seal() above can have made it
    return sealed.kind === kind ? sealed : undefined
  }
}

function purposeOf(kind: BoxKind): string {
  return `oidc ${kind}`
}

/** Another layout gets another number, so that bytes of one are never read as the other. */
function packedPurposeOf(kind: BoxKind): string {
  return `oidc ${kind} 2`
}
