// `conn.tls.client` and `conn.tls.server`. ngrok docs: "Connection Variables", TLS. Pure: no I/O, no clock.

import type { X509Certificate } from 'node:crypto'

import { ALTERNATIVE_NAMES } from './alternative-names.ts'
import { CERTIFICATE_EXTENSION, readExtensions } from './certificate-extensions.ts'
import { DISTINGUISHED_NAME, nameText } from './distinguished-name.ts'
import { type Field, defineRecord, part, textWithFields, value } from './record.ts'

const VALIDITY = defineRecord<X509Certificate>('sallyport.Validity', {
  not_before: value('timestamp', 'the first moment of its validity', (certificate) => new Date(certificate.validFrom)),
  not_after: value('timestamp', 'the last moment of its validity', (certificate) => new Date(certificate.validTo)),
})

/** OpenSSL formats a name again at each call. */
const NAME = { units: 200 }

const FIELDS: Readonly<Record<string, Field<X509Certificate>>> = {
  subject: textWithFields(
    DISTINGUISHED_NAME,
    'in the form of RFC 2253',
    ({ subject }) => nameText(subject),
    ({ subject }) => ({ lines: subject }),
    NAME,
  ),
  issuer: textWithFields(
    DISTINGUISHED_NAME,
    'in the form of RFC 2253',
    ({ issuer }) => nameText(issuer),
    ({ issuer }) => ({ lines: issuer }),
    NAME,
  ),
  san: textWithFields(
    ALTERNATIVE_NAMES,
    'subject alternative names',
    ({ subjectAltName = '' }) => subjectAltName,
    ({ subjectAltName = '' }) => ({ text: subjectAltName }),
    NAME,
  ),
  serial_number: value('string', 'in hexadecimal', ({ serialNumber }) => serialNumber.toLowerCase()),
  signature_algorithm: value('string', '`ecdsa-with-SHA256`', signatureAlgorithm),
  validity: part(VALIDITY, 'the time of its validity', (certificate) => certificate),
  extensions: value(
    'list<sallyport.CertificateExtension>',
    'in the order of the certificate',
    ({ raw }) => readExtensions(raw).map((facts) => new CERTIFICATE_EXTENSION.View(facts)),
    { units: 1000 },
  ),
}

export const SERVER_CERTIFICATE = defineRecord<X509Certificate>('sallyport.ServerCertificate', FIELDS)

export const CLIENT_CERTIFICATE = defineRecord<X509Certificate>('sallyport.ClientCertificate', {
  ...FIELDS,
  pem: value('string', 'the whole certificate, as PEM', (certificate) => certificate.toString(), { units: 1000 }),
})

function signatureAlgorithm(certificate: X509Certificate): string {
  return certificate.signatureAlgorithm ?? ''
}
