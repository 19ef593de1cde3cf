// One `openid-connect` from a command line, checked like one in relay.yml. Pure: no I/O, no clock.

import { credentialsProblem } from '../policy/openid-connect/credentials-problem.ts'
import { completeSignIn } from '../policy/openid-connect/complete-sign-in.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { openidConnectSchema } from '../policy/openid-connect/openid-connect-schema.ts'
import { parseWithSchema } from './schema/schema-problems.ts'

/** @param written by key, as in relay.yml; undefined values count as missing */
export function parseOpenidConnect(
  written: Readonly<Record<string, unknown>>,
): { config: OpenidConnectConfig; problems?: undefined } | { problems: FoundProblem[]; config?: undefined } {
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined))
  const read = parseWithSchema(openidConnectSchema, given)
  if (!('value' in read)) return { problems: [...read.problems, ...read.unknownKeys] }
  const credentials = credentialsProblem(read.value)
  if (credentials) return { problems: [{ path: ['client_authentication'], message: credentials }] }
  if (read.value.id_token_alg === 'HS256' && !read.value.client_secret) {
    return { problems: [{ path: ['id_token_alg'], message: 'HS256 is keyed by the client secret, which is missing' }] }
  }
  return { config: completeSignIn(read.value, true, '.') }
}
