// 403 for a signed-in visitor that the route does not let in: names the user, and offers to sign out.

import { escapeHtml } from '@sallyport/protocol'

import { claimKey, type ClaimName, type ClaimReading } from '../../values/claim-name.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { RelayError } from '../../errors.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { countingEmail, type AllowVerdict, type Person } from './allow.ts'
import { TRY_AGAIN } from '../../pages/error-page.ts'
import { htmlOf, linkHtml, waysHtml } from '../../pages/page.ts'
import { personHtml } from '../sign-in/person-html.ts'
import { failWithPage } from '../sign-in/sign-in-page.ts'

type Refusal = Extract<AllowVerdict, { ok: false }>['reason']

/** @throws RelayError if no person would see a page */
export function showNotAllowed(
  exchange: Exchange,
  person: Person & { subject: string; name?: string | undefined },
  reason: Refusal,
  { email_verified, allow }: Pick<OpenidConnectConfig, 'email_verified' | 'allow'>,
): void {
  const isUnverified = person.email !== undefined && countingEmail(person, email_verified) === undefined
  const hasNo = (reading: ClaimReading): boolean => {
    const key = claimKey(reading) // a claim may have any name, `constructor` too
    return !Object.hasOwn(person.groups, key) || person.groups[key]!.length === 0
  }
  // The usual cause: a scope that was not requested, or a claim that the provider is not set up to send.
  const silent = [...(allow?.groups ? [allow.groups] : []), ...(allow?.claims ?? [])].filter(hasNo)
  const hints = [
    ...(isUnverified ? ['the email address is not verified'] : []),
    ...silent.map(({ claim }) => `the provider sent nothing as ${nameOf(claim)}`),
  ]
  const error = new RelayError('not_allowed', {
    detail: [reason, ...(reason === 'not_listed' ? hints : [])].join(', and '),
    user: person.subject,
  })
  if (!exchange.isNavigation) throw error
  const { texts } = exchange
  const { signedInAs, ...more } = texts.notAllowed
  const unverified = isUnverified ? `\n<p>${escapeHtml(more.unverified)}</p>` : ''
  const groupless =
    reason === 'not_listed' && allow?.groups && hasNo(allow.groups) ? `\n<p>${escapeHtml(more.groupless)}</p>` : ''
  failWithPage(
    exchange,
    error,
    {
      body: `<p>${htmlOf(signedInAs, { who: `<strong>${personHtml(person)}</strong>` })}</p>${unverified}${groupless}
<p>${escapeHtml(error.adviceIn(texts))}</p>
${waysHtml(
  `<form method="post" action="/.sallyport/logout"><button type="submit">${escapeHtml(texts.ways.signOutAndChange)}</button></form>`,
  linkHtml(TRY_AGAIN, texts),
)}`,
      formAction: "'self'",
    },
    // With no-referrer, browsers would send `Origin: null` with the form (Fetch, "append a request Origin header").
    { 'referrer-policy': 'same-origin' },
  )
}

function nameOf(claim: ClaimName): string {
  return typeof claim === 'string' ? claim : claim.join('.')
}
