// A certificate of a test's own, made by openssl.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const NO_OPENSSL = 'no openssl on this machine: it makes the certificates (on Debian: apt-get install openssl)'

export interface CertificateFiles {
  certFile: string
  keyFile: string
}

/** @returns undefined without openssl */
export async function makeCertificate(folder: string, hosts: readonly string[]): Promise<CertificateFiles | undefined> {
  const names = hosts.map((host) => `DNS:${host}`).join(',')
  const args =
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${hosts[0]} ` +
    `-addext subjectAltName=${names} -addext basicConstraints=critical,CA:TRUE -keyout test.key -out test.crt`
  try {
    await promisify(execFile)('openssl', args.split(' '), { cwd: folder })
    return { certFile: join(folder, 'test.crt'), keyFile: join(folder, 'test.key') }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined // as execFile rejects
    throw error
  }
}
