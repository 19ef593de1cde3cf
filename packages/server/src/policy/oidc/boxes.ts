// Sealed boxes: what the relay gives into foreign hands and wants back unread and unchanged. Every kind has a key of
// its own and names itself inside, so a box of one kind never passes for another. Pure: takes the clock.

import type { Keys } from '../../keys.ts'

/** What each kind of box holds. */
export interface BoxContents {
  /** The `state` parameter: travels through the provider. */
  state: {
    edge: string
    origin: string
    authId: string
    /** Whose answer it is for: to the letter, as configured. */
    issuer: string
    clientId: string
    /** Names this sign-in, and the cookie that belongs to it. */
    signIn: string
  }
  /** The cookie that binds a sign-in to a browser. */
  'state cookie': {
    stateHash: string
    verifier: string
    nonce: string
    returnTo: string
    begun: number
    /** How old the visitor's authentication at the provider may have been then; absent where nobody asked. */
    maxAgeS?: number
  }
  /** From the shared callback to the edge: the provider's answer. */
  'hand-over': { state: string; iss?: string; code?: string; error?: string; errorDescription?: string }
  /** The cookie that carries the ID token from the sign-out to the provider. Names the sign-in that it came from. */
  'sign-out': { scope: string; idToken?: string }
  /** The `state` of a sign-out at the provider. */
  'sign-out state': { origin: string }
  /** What the provider gave with a session, at rest. Names the session, so that rows cannot change places. */
  'session tokens': {
    session: string
    accessToken?: { value: string; until?: number }
    idToken?: string
    refreshToken?: string
  }
}

export type BoxKind = keyof BoxContents

export type OpenedBox<K extends BoxKind> =
  | { ok: true; content: BoxContents[K] }
  | { ok: false; reason: 'forged' | 'expired' }

interface Sealed<K extends BoxKind> {
  kind: K
  expires: number
  content: BoxContents[K]
}

export class Boxes {
  readonly #keys: Pick<Keys, 'sealBox' | 'openBox'>

  constructor(keys: Pick<Keys, 'sealBox' | 'openBox'>) {
    this.#keys = keys
  }

  seal<K extends BoxKind>(kind: K, content: BoxContents[K], expires: number): string {
    const sealed: Sealed<K> = { kind, expires, content }
    return this.#keys.sealBox(purposeOf(kind), JSON.stringify(sealed))
  }

  open<K extends BoxKind>(kind: K, box: string, now: number): OpenedBox<K> {
    const text = this.#keys.openBox(purposeOf(kind), box)
    if (text === undefined) return { ok: false, reason: 'forged' }
    const sealed = JSON.parse(text) as Sealed<K> // authenticated: only seal() above can have made it
    if (sealed.kind !== kind) return { ok: false, reason: 'forged' }
    if (now >= sealed.expires) return { ok: false, reason: 'expired' }
    return { ok: true, content: sealed.content }
  }
}

function purposeOf(kind: BoxKind): string {
  return `oidc ${kind}`
}
