// The body of an answer as a text, decompressed.

import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'

import { RelayError } from '../../errors.ts'

type Decoder = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)],
  ['zstd', promisify(zstdDecompress)],
])

/**
 * @param coding the value of `Content-Encoding`
 * @throws RelayError `app_bad_answer` for a body that cannot be read, or that becomes too long
 */
export async function bodyText(body: Buffer, coding: string | undefined, maxBytes: number): Promise<string> {
  if (body.length === 0 || coding === undefined || coding.toLowerCase() === 'identity') return body.toString('utf8')
  const decode = DECODERS.get(coding.trim().toLowerCase())
  if (!decode) throw new RelayError('app_bad_answer', { detail: `the answer has the coding ${coding}` })
  try {
    return (await decode(body, { maxOutputLength: maxBytes })).toString('utf8')
  } catch (cause) {
    const detail = `the answer cannot be decompressed, or has more than ${maxBytes} bytes then`
    throw new RelayError('app_bad_answer', { cause, detail })
  }
}
