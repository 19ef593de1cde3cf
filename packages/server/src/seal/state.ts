// The `state` of a sign-in, which travels through the provider, sealed. Some providers keep only 255 characters of it,
// so it is written in bytes, with hashes instead of names, and holds the return address only if that is short. Pure: no
// I/O, no clock.

import { TIME_BYTES, packTime, type Packing } from './packing.ts'
import { CLIENT_BYTES, NAME_BYTES, type SignInName } from './sign-in-name.ts'

const ID_BYTES = 16
const AGAIN = 1
const HAS_RETURN_TO = 2
const HEAD_BYTES = 1 + TIME_BYTES + NAME_BYTES + CLIENT_BYTES + TIME_BYTES + ID_BYTES + 1
// 254 characters of base64url are 190 bytes, of which sealing takes 29.
const TEXT_BYTES = 161 - HEAD_BYTES

export interface State extends SignInName {
  /** The host of the edge, on which it began. */
  host: string
  /** The name of this sign-in and of its cookie. */
  signIn: string
  /** The page that the visitor wants; absent if its address is too long, and so in the cookie. */
  returnTo?: string
  /** Whether the visitor has tried before, and came back without the cookie. */
  again: boolean
}

/** Whether a `state` has room for the return address beside the host. */
export function hasRoomFor(returnTo: string, host: string): boolean {
  return host.length + Buffer.byteLength(returnTo) <= TEXT_BYTES
}

/** Begins with its time, so that the name shows the oldest of several. */
export function signInId(begun: number, random: Uint8Array): string {
  return begun.toString(36).padStart(TIME_CHARS, '0') + Buffer.from(random).toString('base64url')
}

export const SIGN_IN_RANDOM_BYTES = ID_BYTES
const TIME_CHARS = 9 // milliseconds in base 36 until the year 5188

export const STATE_PACKING: Packing<State> = {
  pack({ name, client, host, signIn, returnTo, again }, expires) {
    return Buffer.concat([
      Buffer.of((again ? AGAIN : 0) | (returnTo === undefined ? 0 : HAS_RETURN_TO)),
      packTime(expires),
      Buffer.from(name, 'base64url'),
      Buffer.from(client, 'base64url'),
      packTime(Number.parseInt(signIn.slice(0, TIME_CHARS), 36)),
      Buffer.from(signIn.slice(TIME_CHARS), 'base64url'),
      Buffer.of(host.length), // a name of the DNS has 253 characters at most
      Buffer.from(host + (returnTo ?? '')),
    ])
  },

  unpack(bytes) {
    let at = 0
    const take = (length: number): Buffer => bytes.subarray(at, (at += length))
    const flags = take(1)[0]! // all of it is there: pack() wrote it
    const expires = take(TIME_BYTES).readUIntBE(0, TIME_BYTES)
    const name = take(NAME_BYTES).toString('base64url')
    const client = take(CLIENT_BYTES).toString('base64url')
    const begun = take(TIME_BYTES).readUIntBE(0, TIME_BYTES)
    const signIn = signInId(begun, take(ID_BYTES))
    const host = take(take(1)[0]!).toString()
    const returnTo = bytes.subarray(at).toString()
    const again = (flags & AGAIN) !== 0
    const hasReturnTo = (flags & HAS_RETURN_TO) !== 0
    return { expires, content: { name, client, host, signIn, again, ...(hasReturnTo && { returnTo }) } }
  },
}
