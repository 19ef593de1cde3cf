// Compressors for answers on their way: node:zlib with levels and windows that bound the memory of each answer to 2
// MiB.

import { constants, createBrotliCompress, createDeflate, createGzip, createZstdCompress } from 'node:zlib'
import type { Transform } from 'node:stream'

import type { Algorithm } from './algorithms.ts'

/** A stream of node:zlib. */
export interface Encoder extends Transform {
  /** Flushes all written bytes, so that the other end can read them. */
  flush(kind: number): void
}

const { BROTLI_OPERATION_FLUSH, BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY } = constants
const { ZSTD_c_compressionLevel, ZSTD_c_windowLog, ZSTD_e_flush, Z_SYNC_FLUSH } = constants

// Brotli's default, 11, compresses only 1 MB/s. Level 4 compresses as well as any level of gzip, at twice the speed of
// gzip's best.
const BROTLI_QUALITY = 4
const GZIP_LEVEL = 4
const ZSTD_LEVEL = 3
const WINDOW_LOG = 18 // 256 KiB; Brotli's own would be 4 MiB, that of zstd 2 MiB

export function createEncoder(algorithm: Algorithm): Encoder {
  switch (algorithm) {
    case 'br':
      return createBrotliCompress({
        params: { [BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [BROTLI_PARAM_LGWIN]: WINDOW_LOG },
      })
    case 'zstd':
      return createZstdCompress({ params: { [ZSTD_c_compressionLevel]: ZSTD_LEVEL, [ZSTD_c_windowLog]: WINDOW_LOG } })
    case 'gzip':
      return createGzip({ level: GZIP_LEVEL })
    case 'deflate':
      return createDeflate({ level: GZIP_LEVEL }) // with the head of zlib, as RFC 9110 8.4.1.2 has it
  }
}

export function flushKindOf(algorithm: Algorithm): number {
  if (algorithm === 'br') return BROTLI_OPERATION_FLUSH
  return algorithm === 'zstd' ? ZSTD_e_flush : Z_SYNC_FLUSH
}
