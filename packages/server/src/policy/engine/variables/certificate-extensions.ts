// The extensions of a certificate, read from its DER because node:crypto does not have them. RFC 5280 4.1, 4.2.
// Pure: no I/O, no clock.

import { defineRecord, value } from './record.ts'

export interface ExtensionFacts {
  /** Its object identifier: `2.5.29.15`. */
  readonly id: string
  readonly critical: boolean
  readonly bytes: Uint8Array
}

export const CERTIFICATE_EXTENSION = defineRecord<ExtensionFacts>('sallyport.CertificateExtension', {
  id: value('string', 'its object identifier, for example `2.5.29.15`', ({ id }) => id),
  critical: value('bool', 'whether it is critical', ({ critical }) => critical),
  value: value('bytes', 'its value in DER', ({ bytes }) => bytes),
})

/** In the order of the certificate; empty if the certificate cannot be parsed. */
export function readExtensions(der: Uint8Array): ExtensionFacts[] {
  const [certificate] = elementsOf(der)
  const [toBeSigned] = elementsOf(certificate?.content)
  // RFC 5280 4.1: extensions are the last field, with the explicit tag 3.
  const tagged = elementsOf(toBeSigned?.content).find(({ tag }) => tag === EXPLICIT_3)
  const [list] = elementsOf(tagged?.content)
  return elementsOf(list?.content).flatMap(({ content }) => readExtension(content) ?? [])
}

/** `Extension ::= SEQUENCE { extnID, critical BOOLEAN DEFAULT FALSE, extnValue OCTET STRING }` */
function readExtension(content: Uint8Array): ExtensionFacts | undefined {
  const parts = elementsOf(content)
  const id = parts.find(({ tag }) => tag === OBJECT_IDENTIFIER)
  const bytes = parts.find(({ tag }) => tag === OCTET_STRING)
  if (!id || !bytes) return undefined
  const critical = parts.some(({ tag, content: flag }) => tag === BOOLEAN && flag[0] !== 0)
  return { id: objectIdentifier(id.content), critical, bytes: new Uint8Array(bytes.content) }
}

interface Element {
  tag: number
  content: Uint8Array
}

/** X.690 8.1: tag, length, content. The list ends at the first incomplete element. */
function elementsOf(bytes: Uint8Array = new Uint8Array()): Element[] {
  const elements: Element[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const tag = bytes[at]! // within bounds, here and below
    let length = bytes[at + 1]!
    at += 2
    if (length & LONG_FORM) {
      const octets = length & ~LONG_FORM
      if (octets === 0 || octets > 4 || at + octets > bytes.length) break
      length = bytes.subarray(at, at + octets).reduce((sum, octet) => sum * 256 + octet, 0)
      at += octets
    }
    if (at + length > bytes.length) break
    elements.push({ tag, content: bytes.subarray(at, at + length) })
    at += length
  }
  return elements
}

/** X.690 8.19: seven bits an octet; the first number holds two. */
function objectIdentifier(content: Uint8Array): string {
  const numbers: bigint[] = []
  let number = 0n
  for (const octet of content) {
    number = (number << 7n) | BigInt(octet & 0x7f)
    if (octet & 0x80) continue
    numbers.push(number)
    number = 0n
  }
  const [first = 0n, ...rest] = numbers
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...rest].join('.')
}

const BOOLEAN = 0x01
const OCTET_STRING = 0x04
const OBJECT_IDENTIFIER = 0x06
const EXPLICIT_3 = 0xa3
const LONG_FORM = 0x80
