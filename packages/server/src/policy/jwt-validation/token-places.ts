// The places in a request where a `jwt-validation` expects its tokens, and the tokens in them. Pure: no I/O, no clock.

import type { Exchange } from '../../exchange/exchange.ts'
import { readCookie } from '../../exchange/read-cookie.ts'
import { behindScheme } from '../credentials.ts'
import type { BodyFields } from './body-fields.ts'
import type { JwtValidationConfig } from './jwt-validation-schema.ts'

type WrittenPlace = JwtValidationConfig['http']['tokens'][number]

export interface TokenPlace {
  readonly type: WrittenPlace['type']
  readonly method: WrittenPlace['method']
  /** As it is written; a header in lower case. */
  readonly name: string
  /** The text before the token, without the space behind it. */
  readonly scheme: string
}

export function tokenPlace({
  type,
  method,
  name,
  prefix,
}: Pick<WrittenPlace, 'type' | 'method'> & { name: string; prefix: string | undefined }): TokenPlace {
  const lower = name.toLowerCase()
  const preset = method === 'header' && lower === 'authorization' ? 'Bearer' : ''
  return { type, method, name: method === 'header' ? lower : name, scheme: (prefix ?? preset).trim() }
}

/** @returns undefined without a token, and for a place in the body */
export function tokenInHead({ method, name, scheme }: TokenPlace, exchange: Exchange): string | undefined {
  switch (method) {
    case 'header':
      return filled(behindScheme(exchange.header(name), scheme))
    case 'cookie':
      return filled(behindScheme(readCookie(exchange.header('cookie'), name), scheme))
    case 'body':
      return undefined
  }
}

/** @returns undefined without a token */
export function tokenInBody({ name, scheme }: TokenPlace, fields: BodyFields): string | undefined {
  return filled(behindScheme(fields(name), scheme))
}

function filled(token: string | undefined): string | undefined {
  return token === '' ? undefined : token
}
