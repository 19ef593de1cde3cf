// Observed answers of real providers that differ from the specification, applied to the provider of the tests.

import type { Provider } from 'oidc-provider'

export interface Seen {
  /** The token endpoint's answers to wrong credentials, and to an unknown code. */
  wrongCredentials?: TokenError
  wrongCode?: TokenError
  /** Whether answers have a `Date`. */
  date?: boolean
  /** Whether a sign-out without a session redirects at once to a registered post-logout URI. */
  returnsNobody?: boolean
}

interface TokenError {
  status: number
  error: string
  error_description?: string
}

/** For `prepare` of the provider. */
export function asSeen({ wrongCredentials, wrongCode, date = true, returnsNobody = false }: Seen) {
  const instead: Readonly<Record<string, TokenError | undefined>> = {
    invalid_client: wrongCredentials,
    invalid_grant: wrongCode,
  }
  return (provider: Provider): void => {
    provider.use(async (context, next) => {
      context.res.sendDate = date
      await next()
      const route: unknown = context.oidc?.route
      if (route === 'token') {
        const { error } = (context.body ?? {}) as { error?: string } // oidc-provider's own answer
        const { status, ...body } = instead[error ?? ''] ?? {}
        if (status !== undefined) {
          Object.assign(context, { status, body })
          context.remove('www-authenticate') // none of them was seen to send it
        }
      }
      const uri = context.URL.searchParams.get('post_logout_redirect_uri')
      if (route === 'end_session' && returnsNobody && context.status === 200 && uri !== null) {
        if (context.cookies.get('idp_session') === undefined) context.redirect(uri)
      }
    })
  }
}
