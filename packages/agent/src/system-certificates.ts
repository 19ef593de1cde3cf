// The certificate authorities that the agent trusts: Node's, the operating system's, and those that the person adds.
// Read once, when the first TLS connection is configured.

import { getCACertificates } from 'node:tls'

let known: readonly string[] | undefined

/** PEM texts for the `ca` option of `node:tls`. `added` comes from `--ca` or `--upstream-ca`. */
export function trustedCertificates(added?: string): string[] {
  known ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])]
  return added === undefined ? [...known] : [...known, added]
}
