// The name of a sign-in in a `state`: hashes of fixed size, so that it stays short even if names and issuers are long.
// Pure: no I/O, no clock.

import { hash } from 'node:crypto'

export const NAME_BYTES = 8
export const CLIENT_BYTES = 16 // 128 bits: nobody finds another issuer or client with the same hash

export interface SignInName {
  /** Of edge and auth_id: finds the sign-in again, and decides nothing. */
  readonly name: string
  /** Of edge, auth_id, issuer and client id, each exactly: says which sign-in an answer is for. */
  readonly client: string
}

export function signInName(edgeId: string, authId: string, issuer: string, clientId: string): SignInName {
  return {
    name: shortHash([edgeId, authId], NAME_BYTES),
    client: shortHash([edgeId, authId, issuer, clientId], CLIENT_BYTES),
  }
}

function shortHash(parts: readonly string[], bytes: number): string {
  // As JSON no two lists are equal, whatever characters they contain.
  return hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, bytes).toString('base64url')
}
