// `relay oidc redirect-uri`: prints the URI to register at an identity provider, before anything else is known of it.
// Sends no request. Only the URI goes to standard output, so that scripts can read it.

import type { Command } from 'commander'

import { loadPublicUrl, localConfig } from '../config/load-config.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import { issuerProblem } from '../policy/openid-connect/openid-connect-schema.ts'

export async function printRedirectUri(
  issuer: string,
  { config: file = process.env.SALLYPORT_CONFIG || undefined }: { config?: string },
  command: Command,
): Promise<void> {
  const problem = issuerProblem(issuer)
  if (problem !== undefined) command.error(`error: ISSUER ${problem}`, { exitCode: 2 })
  const publicUrl = file === undefined ? localConfig(process.env).public_url : await loadPublicUrl(file, process.env)
  if (file === undefined)
    console.error('This is for local mode. For a relay with a configuration add --config relay.yml')
  console.log(redirectUri(publicUrl.origin, issuer))
}
