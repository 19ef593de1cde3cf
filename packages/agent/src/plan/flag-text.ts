// A text of a flag in a policy, whose texts may contain `${…}`. Pure: no I/O, no clock.

import { asLiteral } from '@sallyport/protocol/expand-env'

/** A flag gives a text as it is, whatever is in it, unless it names a secret of agent.yml: `${secrets.get('shop', 'token')}`. */
export function flagText(written: string): string {
  return /\$\{\s*secrets\b/.test(written) ? written : asLiteral(written)
}
