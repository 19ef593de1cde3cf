// `hash.*` and the methods of the same names. ngrok docs: "Macros Reference", Hash. Text is hashed as UTF-8.

import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { crc64 } from './crc64.ts'
import { type FunctionDefinition, define } from './define-function.ts'
import { xxhash64 } from './xxhash64.ts'

type Hash = (bytes: Buffer) => Buffer

const HASHES: Readonly<Record<string, { hash: Hash; about: string; unitsOfChar: number }>> = {
  md5: {
    hash: (bytes) => createHash('md5').update(bytes).digest(),
    about: 'in hexadecimal; this hash is broken, so do not use it for secrets',
    unitsOfChar: 0.05,
  },
  sha1: {
    hash: (bytes) => createHash('sha1').update(bytes).digest(),
    about: 'in hexadecimal; this hash is broken, so do not use it for secrets',
    unitsOfChar: 0.05,
  },
  sha256: { hash: (bytes) => createHash('sha256').update(bytes).digest(), about: 'in hexadecimal', unitsOfChar: 0.05 },
  sha512: { hash: (bytes) => createHash('sha512').update(bytes).digest(), about: 'in hexadecimal', unitsOfChar: 0.05 },
  crc32: { hash: (bytes) => words(32, BigInt(crc32(bytes))), about: 'in hexadecimal; IEEE', unitsOfChar: 0.05 },
  crc64: { hash: (bytes) => words(64, crc64(bytes)), about: 'in hexadecimal; ISO 3309', unitsOfChar: 0.1 },
  xxhash64: { hash: (bytes) => words(64, xxhash64(bytes)), about: 'in hexadecimal; XXH64 with seed 0', unitsOfChar: 2 },
}

export const HASH_FUNCTIONS: readonly FunctionDefinition[] = Object.entries(HASHES).flatMap(
  ([name, { hash, about, unitsOfChar }]) => {
    const call = (view: ExpressionView, text: string, form = 'hex'): string => {
      if (form !== 'hex' && form !== 'base64') throw new ValueError(`${name}: the form is 'hex' or 'base64'`)
      view.budget.spend(20 + Math.ceil(text.length * unitsOfChar))
      return hash(Buffer.from(text, 'utf8')).toString(form)
    }
    return [
      define(`hash.${name}(string): string`, about, call),
      define(`hash.${name}(string, string): string`, "in the form `'hex'` or `'base64'`", call),
      define(`string.${name}(): string`, about, call),
      define(`string.${name}(string): string`, "in the form `'hex'` or `'base64'`", call),
    ]
  },
)

/** Most significant byte first, as in Go. */
function words(bits: 32 | 64, sum: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(sum)
  return bits === 64 ? bytes : bytes.subarray(4)
}
