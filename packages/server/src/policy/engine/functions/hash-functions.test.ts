import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { crc64 } from './crc64.ts'
import { xxhash64 } from './xxhash64.ts'

const hex = (sum: bigint): string => sum.toString(16).padStart(16, '0')

describe('hashes (traffic policy, the engine)', () => {
  // The check value of CRC-64/GO-ISO in Greg Cook's catalogue of parametrised CRC algorithms; the second from ngrok's page.
  it('have the published sums of CRC-64', () => {
    assert.equal(hex(crc64(Buffer.from('123456789'))), 'b90956c775a41001')
    assert.equal(hex(crc64(Buffer.from('hello'))), '3c3eeee2d8100000')
    assert.equal(hex(crc64(Buffer.alloc(0))), '0000000000000000')
  })

  // xxHash's own tests/sanity_test_vectors.h, XXH64 with seed 0: bytes of its generator.
  it('have the published sums of XXH64', () => {
    assert.equal(hex(xxhash64(Buffer.alloc(0))), 'ef46db3751d8e999')
    assert.equal(hex(xxhash64(Buffer.from('hello'))), '26c7827d889f6da3')
    assert.equal(hex(xxhash64(Buffer.from('a'))), 'd24ec4f1a98c6e5b')
    assert.equal(hex(xxhash64(Buffer.from('abc'))), '44bc2cf5ad770999')
    assert.equal(hex(xxhash64(sanityBytes(1))), 'e934a84adb052768')
    assert.equal(hex(xxhash64(sanityBytes(4))), '9136a0dca57457ee')
    assert.equal(hex(xxhash64(sanityBytes(14))), '8282dcc4994e35c8')
    assert.equal(hex(xxhash64(sanityBytes(222))), 'b641ae8cb691c174')
  })
})

/** `fillTestBuffer` of xxHash's sanity_test.c. */
function sanityBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let generator = 2654435761n
  for (let i = 0; i < length; i++) {
    bytes[i] = Number(generator >> 56n)
    generator = BigInt.asUintN(64, generator * 11400714785074694797n)
  }
  return bytes
}
