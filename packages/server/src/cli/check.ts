// `relay check`: everything that `relay start` would refuse, without starting.

import { pino } from 'pino'

import { loadConfig } from '../config/load-config.ts'
import { Certificates } from '../listener/certificates.ts'

export async function check({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
}: {
  config?: string
}): Promise<void> {
  const config = await loadConfig({ ...(file !== undefined && { file }), env: process.env })
  const certificates = await Certificates.load(config.tls.certificates, pino({ level: 'silent' }))
  certificates.close()
  const { length } = config.edges
  console.log(`${file ?? 'local mode'}: fine, ${length} edge${length === 1 ? '' : 's'}.`)
}
