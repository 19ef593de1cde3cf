// `secrets.get(vault, name)`. ngrok docs: "Using Vaults & Secrets". If both names are literals, a
// missing secret is found when the policy is loaded (tree/demands.ts).

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const SECRET_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'secrets.get(string, string): string',
    'a secret by its vault and name; an error if there is none',
    ({ facts }: ExpressionView, vault: string, name: string) => {
      const secret = facts.secret(vault, name)
      if (secret === undefined) throw new ValueError('there is no such secret')
      return secret
    },
    { reads: 'secrets.get' },
  ),
]
