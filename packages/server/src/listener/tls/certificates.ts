// TLS certificates from files: chosen by the name a visitor asks for (SNI), read again when the files change.
// A bad new file never replaces a good old certificate.

import { X509Certificate } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { SecureContext, Server, TlsOptions } from 'node:tls'

import type { Logger } from 'pino'

import type { CertificateFiles } from '../../config/config.ts'
import { whyUnreadable } from '../../config/why-unreadable.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import type { KnownCertificate } from './certificate-findings.ts'
import { isNameOf, namesOf } from './certificate-names.ts'

// Polling, because certificates are replaced by renames and symlinks that file events miss.
const POLL_INTERVAL_MS = 5000

const MIN_VERSION = 'TLSv1.2'

export interface Pair {
  /** The same for all pairs that are read from the same files, one after the other. */
  readonly name: string
  readonly cert: Buffer
  readonly key: Buffer
}

interface Loaded {
  files: CertificateFiles
  known: KnownCertificate
  pair: Pair
  context: SecureContext
}

export class Certificates {
  readonly #loaded: Loaded[]
  readonly #log: Logger
  readonly #watched: string[] = []
  readonly #servers = new Set<Pick<Server, 'setSecureContext'>>()

  private constructor(loaded: Loaded[], log: Logger) {
    this.#loaded = loaded
    this.#log = log
    for (const [index, { files }] of loaded.entries()) {
      for (const file of [files.cert_file, files.key_file]) {
        watchFile(file, { interval: POLL_INTERVAL_MS, persistent: false }, () => void this.reload(index))
        this.#watched.push(file)
      }
    }
  }

  /** @throws ConfigError that names every unusable file */
  static async load(certificates: readonly CertificateFiles[], log: Logger): Promise<Certificates> {
    const results = await Promise.allSettled(certificates.map(load))
    const loaded: Loaded[] = []
    const problems: ConfigProblem[] = []
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') loaded.push(result.value)
      else problems.push(...problemsIn(result.reason, `tls.certificates[${index}]`))
    }
    if (problems.length > 0) throw new ConfigError(problems)
    return new Certificates(loaded, log)
  }

  /** The certificates served now, in the order of the configuration. */
  get known(): KnownCertificate[] {
    return this.#loaded.map(({ known }) => known)
  }

  get tlsOptions(): TlsOptions {
    return {
      minVersion: MIN_VERSION,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => done(null, this.#choose(name).context),
      // For visitors that send no name. node:tls calls no callback for them, and takes no prepared context either.
      ...optionsOf(this.#loaded[0]),
    }
  }

  /** Another object once the files have changed. @param name the host that a visitor asks for */
  pairFor(name: string): Pair {
    return this.#choose(name).pair
  }

  /** Keeps the first certificate of a server that was made with `tlsOptions` up to date. */
  keepFresh(server: Pick<Server, 'setSecureContext'>): void {
    this.#servers.add(server)
  }

  /** Reads one pair again; keeps the old one if the new one is not usable (yet). */
  async reload(index: number): Promise<void> {
    const old = this.#loaded[index]
    if (!old) return
    try {
      const fresh = await load(old.files)
      this.#loaded[index] = fresh
      if (index === 0) for (const server of this.#servers) server.setSecureContext(firstContext(fresh))
      const expires = new Date(fresh.known.validTo).toISOString()
      this.#log.info({ certificate: old.files.cert_file, expires }, 'certificate reloaded')
    } catch (error) {
      this.#log.warn(
        { certificate: old.files.cert_file, err: error },
        'certificate not reloaded; the old one stays in use',
      )
    }
  }

  close(): void {
    for (const file of this.#watched) unwatchFile(file)
  }

  #choose(name: string): Loaded {
    const host = name.toLowerCase()
    const exact = this.#loaded.find(({ known }) => known.names.includes(host))
    const wildcard = this.#loaded.find(({ known }) => known.names.some((pattern) => isNameOf(pattern, host)))
    return exact ?? wildcard ?? this.#loaded[0]! // checked: https needs a certificate
  }
}

function firstContext(loaded: Loaded): TlsOptions {
  return { ...optionsOf(loaded), minVersion: MIN_VERSION }
}

function optionsOf(loaded: Loaded | undefined): TlsOptions {
  return loaded ? { cert: loaded.pair.cert, key: loaded.pair.key } : {}
}

/** @throws Unusable with the problem of each of the two files */
async function load(files: CertificateFiles): Promise<Loaded> {
  const [cert, key] = await readBoth(files)
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (cause) {
    throw new Unusable({ cert_file: `${files.cert_file} is not a PEM certificate` }, { cause })
  }
  try {
    const context = createSecureContext({ cert, key, minVersion: MIN_VERSION })
    return { files, known: knownOf(certificate, files.cert_file), pair: { name: files.cert_file, cert, key }, context }
  } catch (cause) {
    throw new Unusable({ key_file: `${files.key_file} is not the private key of ${files.cert_file}` }, { cause })
  }
}

async function readBoth(files: CertificateFiles): Promise<[cert: Buffer, key: Buffer]> {
  const [cert, key] = await Promise.allSettled([readFile(files.cert_file), readFile(files.key_file)])
  if (cert.status === 'fulfilled' && key.status === 'fulfilled') return [cert.value, key.value]
  throw new Unusable({
    ...(cert.status === 'rejected' && { cert_file: whyUnreadable(files.cert_file, cert.reason) }),
    ...(key.status === 'rejected' && { key_file: whyUnreadable(files.key_file, key.reason) }),
  })
}

/** A sentence for each key of the configuration whose file does not exist. */
class Unusable extends Error {
  readonly sentences: Partial<Record<keyof CertificateFiles, string>>

  constructor(sentences: Unusable['sentences'], options?: ErrorOptions) {
    super(Object.values(sentences).join('; '), options)
    this.name = 'Unusable'
    this.sentences = sentences
  }
}

function problemsIn(reason: unknown, path: string): ConfigProblem[] {
  if (!(reason instanceof Unusable)) throw reason
  return Object.entries(reason.sentences).map(([key, message]) => ({ path: `${path}.${key}`, message }))
}

function knownOf(certificate: X509Certificate, file: string): KnownCertificate {
  const { validFromDate, validToDate } = certificate
  return { file, names: namesOf(certificate), validFrom: validFromDate.getTime(), validTo: validToDate.getTime() }
}
