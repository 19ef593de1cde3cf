// The content codings that this relay writes (RFC 9110 8.4.1, RFC 7932, RFC 8878), the preferred one first. Pure.

export const ALGORITHMS = ['br', 'zstd', 'gzip', 'deflate'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name)
}
