// The common part of actions that write headers: which headers they may write, and in which phase. Pure: no I/O, no
// clock.

import type { FoundProblem } from '@sallyport/protocol/found-problem'

import { normalHeaderName } from '../../values/normal-header-name.ts'
import { headerValues } from '../../values/value-schemas.ts'
import type { CheckPlace } from '../kind.ts'

/** `headers` of an action. `Host` is the host that the app gets. */
export function writtenHeaders() {
  return headerValues({ allowsHost: true, allowsTemplates: true })
}

/** Reports a header that belongs in requests if a rule writes it to a response. */
export function* hostProblems(
  { headers }: { readonly headers: Readonly<Record<string, string>> },
  { phase }: Pick<CheckPlace, 'phase'>,
): Iterable<FoundProblem> {
  if (phase !== 'on_http_response') return
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() !== 'host') continue
    yield { path: ['headers', name], message: 'is a header of requests; put it under on_http_request' }
  }
}

/**
 * `Clear-Site-Data` affects other people's hosts: see edge/agents. The relay removes it from the app's answers, but
 * not from its own.
 */
export function* siteDataProblems({
  headers,
}: {
  readonly headers: Readonly<Record<string, string>>
}): Iterable<FoundProblem> {
  for (const name of Object.keys(headers)) {
    if (normalHeaderName(name) !== 'clear-site-data') continue
    yield { path: ['headers', name], message: 'clears sessions of other hosts, too, so an endpoint cannot send it' }
  }
}
