// The kind of `terminate-tls`. Pure: no I/O, no clock.

import { isIP } from 'node:net'
import { resolve } from 'node:path'

import { CERTIFICATE_WORDS } from '@sallyport/protocol'
import { z } from 'zod'

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { isPem, pemProblem } from '../../values/authorities-in.ts'
import { filledList, reporting, text } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'

/** Every connection compares the visitor's certificate with all of them. */
const AUTHORITIES_MAX = 32
const STRATEGIES = ['require-and-verify', 'require-any', 'request'] as const

const version = (): z.ZodType<'1.2' | '1.3'> =>
  z.preprocess((written) => (typeof written === 'number' ? String(written) : written), z.enum(['1.2', '1.3']))

const schema = z
  .strictObject({
    min_version: version()
      .default('1.2')
      .describe('The oldest version of TLS that visitors may speak: `1.2` or `1.3`.'),
    max_version: version().default('1.3').describe('The newest version: `1.2` or `1.3`.'),
    mutual_tls_certificate_authorities: filledList(
      text().superRefine(reporting(authorityProblem)),
      'would trust nobody; add the certificate of an authority, or remove it',
    )
      .max(AUTHORITIES_MAX, `has more than ${AUTHORITIES_MAX} entries`)
      .exactOptional()
      .describe(
        'Visitors need a certificate that one of these authorities has signed. Each is a certificate in PEM (or several, one after the other), the path of such a file, or an id of `certificate_authorities`. Files are read at the start, and again when they change.',
      )
      .meta({ examples: ['[/etc/sallyport/partners.pem]'] }),
    mutual_tls_verification_strategy: z
      .enum(STRATEGIES)
      .exactOptional()
      .describe(
        'By default `require-and-verify`. With `require-any` any certificate will do, even one that visitors have made themselves; with `request` visitors may come without any.',
      ),
  })
  .prefault({})

export interface TerminateTlsConfig {
  readonly min_version: '1.2' | '1.3'
  readonly max_version: '1.2' | '1.3'
  /** Absent if visitors are asked for no certificate. */
  readonly certificate?: {
    readonly strategy: (typeof STRATEGIES)[number]
    /** Texts in PEM, and absolute paths of files. */
    readonly authorities: readonly string[]
  }
}

export const terminateTlsKind = defineKind({
  documentation:
    'Decides which TLS visitors speak with the edge, and whether they need a certificate of their own. It counts for the whole edge, and cannot depend on conditions. See [Traffic policy](traffic-policy.md#terminate-tls). `config` may be left out, and then changes nothing.',
  otherNames: ['mutual-tls', 'tls-termination'],
  phases: ['on_tcp_connect'],
  admits: 'everybody',
  takesSecrets: false,
  isUnconditional: true,
  agentMayWrite: [
    'min_version',
    'max_version',
    'mutual_tls_certificate_authorities',
    'mutual_tls_verification_strategy',
  ],
  schema,
  complete({ min_version, max_version, ...mutual }, { folder, tls }): TerminateTlsConfig {
    const { mutual_tls_certificate_authorities: written, mutual_tls_verification_strategy: strategy } = mutual
    if (!written && !strategy) return { min_version, max_version }
    const authorities = (written ?? []).flatMap((each) => {
      if (isPem(each)) return [each]
      return isId(each) ? (tls.authorities.get(each) ?? []) : [resolve(folder, each)]
    })
    return { min_version, max_version, certificate: { strategy: strategy ?? 'require-and-verify', authorities } }
  },
  asks: ({ certificate }) => (certificate && certificate.strategy !== 'request' ? CERTIFICATE_WORDS : undefined),
  *check({ min_version, max_version, ...mutual }, place): Iterable<FoundProblem> {
    const { tls } = place
    const { mutual_tls_certificate_authorities: authorities, mutual_tls_verification_strategy: strategy } = mutual
    if (place.earlierHere('terminate-tls', true)) {
      yield { path: [], message: 'is the second terminate-tls of this edge; keep one' }
    }
    if (tls.endsHere === false) {
      const message = 'needs visitors’ TLS to end at this relay, which has no listen.https; set that, or remove this'
      yield { path: [], message }
    }
    const address = place.hosts.find((host) => isIP(host) !== 0)
    if (address !== undefined) {
      const message = `lets no visitor reach ${address}: the handshake of TLS names hosts, not addresses (RFC 6066 3). Give the edge a name`
      yield { path: [], message }
    }
    if (min_version > max_version) yield { path: ['min_version'], message: `is above max_version, ${max_version}` }
    if (!authorities && strategy === 'require-and-verify') {
      const message = 'verifies nothing without mutual_tls_certificate_authorities; add those, or write require-any'
      yield { path: ['mutual_tls_verification_strategy'], message }
    }
    for (const [index, id] of (authorities ?? []).entries()) {
      if (!isId(id) || tls.authorities.has(id)) continue
      yield { path: ['mutual_tls_certificate_authorities', index], message: unknownAuthority(id) }
    }
  },
  checkOfAgent: filesOfRelay,
  checkOfStore: filesOfRelay,
})

function* filesOfRelay({
  mutual_tls_certificate_authorities: authorities = [],
}: z.output<typeof schema>): Iterable<FoundProblem> {
  for (const [index, written] of authorities.entries()) {
    if (isPem(written) || isId(written)) continue
    const message = 'names a file of the relay, which only its configuration may; write the certificate itself, in PEM'
    yield { path: ['mutual_tls_certificate_authorities', index], message }
  }
}

function authorityProblem(written: string): string | undefined {
  if (isPem(written) || !written.includes('${')) return pemProblem(written)
  return 'is needed before there is a request, so nothing in it can be computed; write the certificate itself'
}

/** As ngrok makes them. */
function isId(written: string): boolean {
  return /^ca_[A-Za-z0-9_-]+$/.test(written)
}

function unknownAuthority(id: string): string {
  return `${id} is the id of something at ngrok; write its certificate here, or under certificate_authorities: { ${id}: … } in relay.yml`
}
