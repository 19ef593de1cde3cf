// The places of tokens for an exchange. If a name or a prefix has `${…}`, they are made anew for each.

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { isLate } from '../late-text.ts'
import type { LateText } from '../late-text.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { textFrom } from '../text.ts'
import type { Text } from '../text.ts'
import type { JwtValidationConfig } from './jwt-validation-schema.ts'
import { tokenPlace } from './token-places.ts'
import type { TokenPlace } from './token-places.ts'
import { NAME, NAME_MAX_CHARS, PREFIX } from './token-schema.ts'

type WrittenPlace = JwtValidationConfig['http']['tokens'][number]

export interface Places {
  readonly all: readonly TokenPlace[]
  readonly inHead: readonly TokenPlace[]
  readonly inBody: readonly TokenPlace[]
}

/** @throws RelayError, from the function: `expression_failed`, `path_ambiguous` */
export function placesFrom(written: readonly WrittenPlace[], parts: SourcesParts): (exchange: Exchange) => Places {
  const constant = written.flatMap(({ name, prefix, ...rest }) =>
    isLate(name) || isLate(prefix) ? [] : [tokenPlace({ ...rest, name, prefix })],
  )
  if (constant.length === written.length) {
    const places = divided(constant)
    return () => places
  }
  const all = written.map((place) => {
    const name = textOf(place.name, 'name', parts)
    const prefix = place.prefix === undefined ? undefined : textOf(place.prefix, 'prefix', parts)
    return (exchange: Exchange): TokenPlace => {
      const texts = { name: name(exchange), prefix: prefix?.(exchange) }
      checkTexts(place, texts)
      return tokenPlace({ ...texts, type: place.type, method: place.method })
    }
  })
  return (exchange) => divided(all.map((place) => place(exchange)))
}

function textOf(written: string | LateText, key: string, parts: SourcesParts): Text {
  return isLate(written) ? textFrom(written.source, 'on_http_request', `${key} of a token`, parts) : () => written
}

/** The value is not shown. */
function checkTexts(
  { method }: WrittenPlace,
  { name, prefix = '' }: { name: string; prefix: string | undefined },
): void {
  const isName = method === 'body' ? name !== '' && name.length <= NAME_MAX_CHARS : NAME.test(name)
  if (!isName) throw new RelayError('expression_failed', { detail: 'the name of a token is not possible' })
  if (!PREFIX.test(prefix)) throw new RelayError('expression_failed', { detail: 'the prefix of a token is no word' })
}

function divided(all: readonly TokenPlace[]): Places {
  return {
    all,
    inHead: all.filter(({ method }) => method !== 'body'),
    inBody: all.filter(({ method }) => method === 'body'),
  }
}
