// A password as a scrypt hash (RFC 7914), in the text form of crypt: `$scrypt$ln=15,r=8,p=1$salt$hash`.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

export const COST = 15 // 2^15 rounds of 8 blocks: 32 MiB and about 80 ms, which only slows down guessing
const COST_MAX = 17
const BLOCKS = 8
const SALT_BYTES = 16
const HASH_BYTES = 32

export interface PasswordHash {
  /** The logarithm of the rounds. */
  cost: number
  salt: Buffer
  hash: Buffer
}

/** Reads a text of hashPassword(); undefined if it is not one, or would take too long to check. */
export function parsePasswordHash(written: string): PasswordHash | undefined {
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/.exec(written)
  if (!parts) return undefined
  const [, cost = '', salt = '', hash = ''] = parts
  if (Number(cost) < COST || Number(cost) > COST_MAX) return undefined
  return { cost: Number(cost), salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') }
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, salt, COST)
  return `$scrypt$ln=${COST},r=${BLOCKS},p=1$${base64(salt)}$${base64(hash)}`
}

export async function isPasswordOf({ cost, salt, hash }: PasswordHash, password: string): Promise<boolean> {
  return timingSafeEqual(hash, await derive(password, salt, cost))
}

function derive(password: string, salt: Buffer, cost: number): Promise<Buffer> {
  const N = 2 ** cost
  return new Promise((resolve, reject) => {
    scrypt(password, salt, HASH_BYTES, { N, r: BLOCKS, p: 1, maxmem: 256 * N * BLOCKS }, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}
