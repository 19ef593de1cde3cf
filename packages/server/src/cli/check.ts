// `relay check`: everything that `relay start` would refuse, without starting.

import { pino } from 'pino'

import type { Config } from '../config/config.ts'
import { readConfig, type ConfigSource } from '../config/load-config.ts'
import { parseConfig } from '../config/parse-config.ts'
import { redirectUri } from '../config/redirect-uri.ts'
import { issuersOf } from '../config/sign-ins.ts'
import { errorWithLines } from '../config/with-lines.ts'
import { readFiles } from '../listener/read-files.ts'

export async function check({
  config: file = process.env.SALLYPORT_CONFIG || undefined,
}: {
  config?: string
}): Promise<void> {
  const source = await readConfig(file)
  const config = parseConfig(source.text, { source: source.source, env: process.env })
  await checkFiles(config, source)
  const { length } = config.edges
  console.log(`${file ?? 'local mode'}: fine, ${length} edge${length === 1 ? '' : 's'}.`)
  const issuers = issuersOf(config.edges)
  if (issuers.length === 0) return
  console.log('\nTo be registered as redirect URI:')
  for (const issuer of issuers) console.log(`  at ${issuer}\n    ${redirectUri(config.public_url.origin, issuer)}`)
}

async function checkFiles(config: Config, source: ConfigSource): Promise<void> {
  try {
    for (const read of await readFiles(config, pino({ level: 'silent' }))) read.close()
  } catch (error) {
    throw errorWithLines(error, source)
  }
}
