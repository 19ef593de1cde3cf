// `url-rewrite`: gives the app another path and query. The visitor does not notice it.

import type { Action } from '../../exchange/action.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import { addressOf, urlReplacement } from '../urls/url-replacement.ts'
import type { Found, Tell } from '../urls/url-replacement.ts'
import type { UrlRewriteConfig } from './kind.ts'

/**
 * Replaces the target, for later rules and the app. If the URL names a new host, only the app's `Host` changes.
 * @throws RelayError, from the action: `rewrite_refused`, `path_ambiguous`, `expression_failed`
 */
export function urlRewrite(config: UrlRewriteConfig, parts: SourcesParts & Remembering): Action {
  const replace = urlReplacement(
    config,
    'url-rewrite',
    parts,
    parts.readsResult('url_rewrite') ? noteRewrite : undefined,
  )
  return async (exchange, next) => {
    const { origin, target } = exchange
    const made = replace(exchange)
    if (made !== undefined && made !== origin + target) {
      const address = addressOf(made, origin)
      exchange.replaceTarget(address.rest)
      const host = hostOf(address.origin)
      if (host !== hostOf(origin)) (exchange.requestEdits ??= new HeaderEdits()).set('Host', host)
    }
    await next()
  }
}

const noteRewrite: Tell = (exchange, asSent, normal) => {
  const { origin } = exchange
  noteResult(exchange, 'url_rewrite', resultOf(asSent, origin), normal && resultOf(normal, origin))
}

function resultOf({ url, matches }: Found, origin: string): { matches: readonly string[]; url?: string } {
  if (url === undefined) return { matches }
  const address = addressOf(url, origin)
  return { matches, url: address.origin + address.rest }
}

function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('://') + 3)
}
