// 401: the request has no session, and cannot be redirected to the provider. Programs get a problem document; people
// who have sent a form, or look at a frame, get a page with a link.

import { escapeHtml } from '@sallyport/protocol'

import { OPEN_SITE, RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { buttonHtml, waysHtml } from '../../pages/page.ts'
import { pageBefore, returnTo } from '../sign-in/return-to.ts'
import { showErrorPage } from '../sign-in/sign-in-page.ts'

const OWN_FRAME = "'self'"

export function signInRequired(edgeId: string): RelayError {
  return new RelayError('sign_in_required', {
    // RFC 9110 11.6.1 requires a challenge; none of the registered schemes means "in a browser".
    headers: { 'www-authenticate': `Cookie realm="${edgeId}", form-action="/.sallyport/login"` },
  })
}

/**
 * Answers a request that is not a navigation.
 * @param authId of the sign-in; undefined if the visitor must choose one
 * @throws RelayError for programs
 */
export function refuseWithoutSession(exchange: Exchange, authId?: string): void {
  const error = signInRequired(exchange.edgeId)
  const { isFormSubmission, isForFrame, texts } = exchange
  if (!isFormSubmission && !isForFrame) throw error

  // After the sign-in, the visitor returns to the page with the form, or to the page around the frame, if that is on
  // this site and the browser names it.
  const page =
    pageBefore(exchange.header('referer'), exchange.origin) ??
    (isFormSubmission ? '/' : returnTo(exchange.visitorTarget, exchange.origin))
  const query = new URLSearchParams({ ...(authId !== undefined && { auth_id: authId }), return_to: page })
  const href = `/.sallyport/login?${query.toString()}`
  if (!isFormSubmission) {
    const body = `<p>${escapeHtml(texts.notSignedIn)}</p>\n${waysHtml(buttonHtml({ label: ({ ways }) => ways.signIn, href }, texts, '_top'))}`
    return showErrorPage(exchange, error, { body, framedBy: OWN_FRAME })
  }
  const isForeign = exchange.header('sec-fetch-site') === 'cross-site'
  const { notSent } = texts
  const why = isForeign ? notSent.whyForeign : notSent.why
  const how = isForeign ? notSent.howForeign : notSent.how
  const wayOn = isForeign
    ? buttonHtml(OPEN_SITE, texts)
    : buttonHtml({ label: ({ ways }) => ways.signInNewTab, href }, texts, '_blank')
  showErrorPage(exchange, error, {
    title: notSent.title,
    body: `<p>${escapeHtml(why)}</p>\n<p>${escapeHtml(how)}</p>\n${waysHtml(wayOn)}`,
    ...(isForFrame && { framedBy: OWN_FRAME }),
  })
}
