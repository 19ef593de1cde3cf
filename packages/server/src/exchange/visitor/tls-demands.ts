// The demands of an edge on the TLS of its visitors (`terminate-tls`). The listener applies it to the handshake, by the name in
// the ClientHello; each request is compared with it again, because a connection may carry requests for other edges. Types only.

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/**
 * Which certificate of a visitor counts: one of the authorities alone, any, or none is needed. Possession of its private key is
 * always proved.
 */
export type CertificateStrategy = 'require-and-verify' | 'require-any' | 'request'

export interface TlsDemands {
  /** Equal for demands of the same meaning. */
  readonly digest: string
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** Undefined if visitors are asked for no certificate. */
  readonly certificate: CertificateDemand | undefined
}

export interface CertificateDemand {
  readonly strategy: CertificateStrategy
  /** PEM, one certificate each. Empty only if the strategy does not verify. */
  readonly authorities: readonly string[]
}

/** The certificate that a visitor has shown in the handshake. */
export interface ShownCertificate {
  /** Why the authorities do not vouch for it: a code of OpenSSL, such as `CERT_HAS_EXPIRED`; undefined if they do. */
  readonly problem: string | undefined
  /** The end of its validity, in milliseconds since 1970. */
  readonly validTo: number
}
