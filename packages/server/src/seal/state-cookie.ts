// The cookie that binds a sign-in to a browser, sealed. Thirty tabs may sign in at once, and each has one, so it is
// written in bytes; it holds the return address only if the `state` has no room for it. Pure: no I/O, no clock.

import { deflateRawSync, inflateRawSync } from 'node:zlib'

import { TIME_BYTES, packTime, type Packing } from './packing.ts'

export const STATE_HASH_BYTES = 16
const SECRET_BYTES = 32
const HAS_MAX_AGE = 1
const HAS_RETURN_TO = 2
const IS_DEFLATED = 4
const IS_FINISHED = 8

export interface StateCookie {
  stateHash: string
  /**
   * Of PKCE; empty, like the nonce, once the sign-in has had its answer: then the cookie only says where to lead the
   * visitor.
   */
  verifier: string
  nonce: string
  /** If the `state` does not have it. */
  returnTo?: string
  begun: number
  /** How old the visitor's authentication at the provider may have been then; absent if it was not requested. */
  maxAgeS?: number
}

export const STATE_COOKIE_PACKING: Packing<StateCookie> = {
  pack({ stateHash, verifier, nonce, returnTo, begun, maxAgeS }, expires) {
    const plain = Buffer.from(returnTo ?? '')
    // Compressed alone: never a secret together with text that a stranger may have written.
    const deflated = deflateRawSync(plain)
    const isDeflated = deflated.length < plain.length
    const isFinished = verifier === ''
    const flags =
      (maxAgeS === undefined ? 0 : HAS_MAX_AGE) |
      (returnTo === undefined ? 0 : HAS_RETURN_TO) |
      (isDeflated ? IS_DEFLATED : 0) |
      (isFinished ? IS_FINISHED : 0)
    return Buffer.concat([
      Buffer.of(flags),
      packTime(expires),
      packTime(begun),
      ...(maxAgeS === undefined ? [] : [packTime(maxAgeS)]),
      Buffer.from(stateHash, 'base64url'),
      ...(isFinished ? [] : [Buffer.from(verifier, 'base64url'), Buffer.from(nonce, 'base64url')]),
      isDeflated ? deflated : plain,
    ])
  },

  unpack(bytes) {
    let at = 0
    const take = (length: number): Buffer => bytes.subarray(at, (at += length))
    const takeTime = (): number => take(TIME_BYTES).readUIntBE(0, TIME_BYTES)
    const flags = take(1)[0]! // all of it is there: pack() wrote it
    const expires = takeTime()
    const begun = takeTime()
    const maxAgeS = (flags & HAS_MAX_AGE) === 0 ? undefined : takeTime()
    const stateHash = take(STATE_HASH_BYTES).toString('base64url')
    const secretBytes = (flags & IS_FINISHED) === 0 ? SECRET_BYTES : 0
    const verifier = take(secretBytes).toString('base64url')
    const nonce = take(secretBytes).toString('base64url')
    const rest = bytes.subarray(at)
    const returnTo =
      (flags & HAS_RETURN_TO) === 0 ? undefined : ((flags & IS_DEFLATED) === 0 ? rest : inflateRawSync(rest)).toString()
    return {
      expires,
      content: {
        stateHash,
        verifier,
        nonce,
        begun,
        ...(returnTo !== undefined && { returnTo }),
        ...(maxAgeS !== undefined && { maxAgeS }),
      },
    }
  },
}
