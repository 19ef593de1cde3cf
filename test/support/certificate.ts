// Certificates for one test, made by openssl.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const NO_OPENSSL = 'no openssl on this machine: it makes the certificates (on Debian: apt-get install openssl)'

export interface CertificateFiles {
  certFile: string
  keyFile: string
}

/** As node:tls takes it. */
export interface CertificatePair {
  cert: string
  key: string
}

const NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'

/** @returns undefined without openssl */
export async function makeCertificate(folder: string, hosts: readonly string[]): Promise<CertificateFiles | undefined> {
  const names = hosts.map((host) => `DNS:${host}`).join(',')
  const args =
    `req -x509 ${NEW_KEY} -days 2 -subj /CN=${hosts[0]} ` +
    `-addext subjectAltName=${names} -addext basicConstraints=critical,CA:TRUE -keyout test.key -out test.crt`
  try {
    await openssl(folder, args)
    return { certFile: join(folder, 'test.crt'), keyFile: join(folder, 'test.key') }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // as execFile rejects
    throw error
  }
}

/** An authority for certificates of visitors. Throws without openssl. @param name of its files, too */
export async function makeAuthority(folder: string, name: string): Promise<CertificatePair> {
  const args = `req -x509 ${NEW_KEY} -days 2 -subj /CN=${name} -addext basicConstraints=critical,CA:TRUE`
  await openssl(folder, `${args} -keyout ${name}.key -out ${name}.crt`)
  return pairOf(folder, name)
}

/** A certificate of a visitor. @param authority the name of the one that signs it @param days below 0, it has expired */
export async function signCertificate(
  folder: string,
  name: string,
  authority: string,
  days = 2,
): Promise<CertificatePair> {
  await openssl(folder, `req ${NEW_KEY} -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`)
  await writeFile(join(folder, `${name}.ext`), `subjectAltName=DNS:${name}.example,email:${name}@example.com\n`)
  const signer = `-CA ${authority}.crt -CAkey ${authority}.key -CAcreateserial -days ${days} -extfile ${name}.ext`
  await openssl(folder, `x509 -req -in ${name}.csr ${signer} -out ${name}.crt`)
  return pairOf(folder, name)
}

async function pairOf(folder: string, name: string): Promise<CertificatePair> {
  const [cert, key] = await Promise.all(
    ['crt', 'key'].map((ending) => readFile(join(folder, `${name}.${ending}`), 'utf8')),
  )
  return { cert: cert!, key: key! } // in this order
}

async function openssl(folder: string, args: string): Promise<void> {
  await promisify(execFile)('openssl', args.split(' '), { cwd: folder })
}
