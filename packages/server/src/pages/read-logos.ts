// Reads the logos that relay.yml names for the relay's own pages, once, at the start.

import { open } from 'node:fs/promises'

import type { Config } from '../config/config.ts'
import { whyUnreadable } from '../config/why-unreadable.ts'
import { ConfigError, type ConfigProblem } from '../errors.ts'
import { LOGO_MAX_BYTES, logoUrl } from './logo.ts'

/** `data:` URLs by absolute path. */
export type Logos = ReadonlyMap<string, string>

/** @throws ConfigError that names every unusable file */
export async function readLogos({ pages, edges }: Pick<Config, 'pages' | 'edges'>): Promise<Logos> {
  const logos = new Map<string, string>()
  const problems: ConfigProblem[] = []
  const named = [
    { path: 'pages.logo_file', file: pages.logo_file },
    ...edges.map((edge, index) => ({ path: `edges[${index}].pages.logo_file`, file: edge.pages?.logo_file })),
  ]
  for (const { path, file } of named) {
    if (file === undefined || logos.has(file)) continue
    const read = await readLogo(file)
    if ('url' in read) logos.set(file, read.url)
    else problems.push({ path, message: read.problem })
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return logos
}

async function readLogo(file: string): Promise<ReturnType<typeof logoUrl>> {
  try {
    const bytes = await readStart(file)
    const read = logoUrl(bytes)
    return 'url' in read ? read : { problem: `${file} ${read.problem}` }
  } catch (error) {
    return { problem: whyUnreadable(file, error) }
  }
}

/** Only as much as shows whether it is too large. */
async function readStart(file: string): Promise<Buffer> {
  const handle = await open(file)
  try {
    const bytes = Buffer.alloc(LOGO_MAX_BYTES + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length)
      length += bytesRead
      if (bytesRead === 0 || length === bytes.length) return bytes.subarray(0, length)
    }
  } finally {
    await handle.close()
  }
}
