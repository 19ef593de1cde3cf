// `secrets.get(vault, name)`. ngrok docs: "Using Vaults & Secrets". Both names have to be literals, so that a missing
// secret is found when the policy is loaded.

import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const SECRET_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'secrets.get(string, string): string',
    'a secret by its vault and name; both are written as texts',
    ({ facts }: ExpressionView, vault: string, name: string) => {
      const secret = facts.secret(vault, name)
      if (secret === undefined) throw new ValueError('the secret no longer exists')
      return secret
    },
    { reads: 'secrets.get' },
  ),
]
