// Certificates of authorities in PEM, one after the other. Pure: no I/O, no clock.

import { X509Certificate } from 'node:crypto'

// Never backtracks: a block ends at the first line that ends one.
const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g
const SUBJECT_MAX_CHARS = 100

/** @returns the certificates, or a problem: the end of a sentence that begins with a name for the text */
export function authoritiesIn(pem: string): { authorities: X509Certificate[] } | { problem: string } {
  const blocks = pem.match(BLOCK) ?? []
  if (blocks.length === 0) {
    const isKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)
    return { problem: isKey ? `holds a private key, and no certificate; ${KEEP_KEY}` : 'holds no certificate in PEM' }
  }
  const authorities: X509Certificate[] = []
  for (const [index, block] of blocks.entries()) {
    const authority = parsed(block)
    if (!authority) return { problem: `cannot be read: certificate ${index + 1} of ${blocks.length} is damaged` }
    if (!authority.ca) return { problem: `${nameOf(authority)} is not an authority (CA:TRUE); ${WRITE_ISSUER}` }
    authorities.push(authority)
  }
  return { authorities }
}

const KEEP_KEY = 'visitors are verified with the certificate of the authority alone: keep its key secret'
const WRITE_ISSUER = 'write the certificate of the authority that signs visitors’ certificates'

export function isPem(written: string): boolean {
  return written.includes('-----BEGIN ')
}

/** The problem of a text in PEM; undefined for the path of a file. */
export function pemProblem(written: string): string | undefined {
  const found = isPem(written) ? authoritiesIn(written) : undefined
  return found && 'problem' in found ? found.problem : undefined
}

/** For people: the subject of an authority, in one line. */
export function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll('\n', ', ').slice(0, SUBJECT_MAX_CHARS) || 'a certificate without a name'
}

function parsed(block: string): X509Certificate | undefined {
  try {
    return new X509Certificate(block)
  } catch {
    return undefined // told by the caller
  }
}
