// `relay check`: everything that `relay start` would refuse, without starting.

import { pino } from 'pino'

import { loadConfig } from '../config/load-config.ts'
import { redirectUri } from '../config/redirect-uri.ts'
import { issuersOf } from '../config/sign-ins.ts'
import { readFiles } from '../listener/read-files.ts'

export async function check({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
}: {
  config?: string
}): Promise<void> {
  const config = await loadConfig({ ...(file !== undefined && { file }), env: process.env })
  for (const read of await readFiles(config, pino({ level: 'silent' }))) read.close()
  const { length } = config.edges
  console.log(`${file ?? 'local mode'}: fine, ${length} edge${length === 1 ? '' : 's'}.`)
  const issuers = issuersOf(config.edges)
  if (issuers.length === 0) return
  console.log('\nTo be registered as redirect URI:')
  for (const issuer of issuers) console.log(`  at ${issuer}\n    ${redirectUri(config.public_url.origin, issuer)}`)
}
