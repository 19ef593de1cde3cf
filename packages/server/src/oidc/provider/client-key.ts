// Reads the private key with which the relay authenticates at a provider, once, when the policy is built.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'

import type { CryptoKey } from 'jose'

import type { ClientKeyConfig } from '../../policy/openid-connect/client-key-schema.ts'
import { whyUnreadable } from '../../config/why-unreadable.ts'

const MIN_RSA_BITS = 2048 // RFC 7518 3.3: "A key of size 2048 bits or larger MUST be used"

type Algorithm = NonNullable<ClientKeyConfig['alg']>

const CURVES: Readonly<Record<string, { alg: Algorithm; namedCurve: string }>> = {
  prime256v1: { alg: 'ES256', namedCurve: 'P-256' },
  secp384r1: { alg: 'ES384', namedCurve: 'P-384' },
  secp521r1: { alg: 'ES512', namedCurve: 'P-521' },
}

/** @throws Error with a sentence for the operator */
export function readClientKey({ file, alg }: ClientKeyConfig): CryptoKey {
  const key = parse(file)
  const natural = algorithmOf(key)
  if (natural === undefined) throw new Error(`${file} is not an RSA, EC (P-256, P-384, P-521) or Ed25519 key`)
  const isRsa = key.asymmetricKeyType === 'rsa'
  if (isRsa && (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw new Error(`the RSA key in ${file} is shorter than ${MIN_RSA_BITS} bits`)
  }
  const chosen = alg ?? natural
  if (isRsa ? !/^[RP]S/.test(chosen) : chosen !== natural) {
    throw new Error(`the key in ${file} signs ${isRsa ? 'RS256 to PS512' : natural}, not ${chosen}`)
  }
  return key.toCryptoKey(webAlgorithm(key, chosen), false, ['sign'])
}

function parse(file: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(file))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall !== undefined) throw new Error(whyUnreadable(file, cause), { cause })
    // OpenSSL's message about an invalid key does not help the operator.
    throw new Error(`${file} cannot be used: it holds no private key in PEM`, { cause })
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm | undefined {
  if (asymmetricKeyType === 'rsa') return 'RS256'
  if (asymmetricKeyType === 'ed25519') return 'Ed25519'
  if (asymmetricKeyType === 'ec') return CURVES[asymmetricKeyDetails?.namedCurve ?? '']?.alg
  return undefined
}

/** As Web Crypto names it; openid-client reads the JWS algorithm back from this. */
function webAlgorithm({ asymmetricKeyDetails }: KeyObject, alg: Algorithm) {
  if (alg === 'Ed25519') return { name: 'Ed25519' }
  const curve = CURVES[asymmetricKeyDetails?.namedCurve ?? '']
  if (curve) return { name: 'ECDSA', namedCurve: curve.namedCurve }
  return { name: alg.startsWith('PS') ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash: `SHA-${alg.slice(2)}` }
}
