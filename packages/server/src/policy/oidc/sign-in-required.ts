// 401: there is no session, and whoever asks must come back with one. Pure: no I/O, no clock.

import { RelayError } from '../../errors.ts'

export function signInRequired(edgeId: string): RelayError {
  return new RelayError('sign_in_required', {
    // RFC 9110 11.6.1 wants a challenge; none of the registered schemes means "in a browser".
    headers: { 'www-authenticate': `Cookie realm="${edgeId}", form-action="/.sallyport/login"` },
  })
}
