// The first step of the check: fetches the discovery document as a sign-in does, compares the issuer and the clocks,
// and without a document looks for it beside the given URL. It asks only the issuer's origin.

import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'
import { describeRedirect, followingOnce } from '../provider/discovery-document.ts'
import { isSameIssuer, issuerMismatch } from '../provider/issuer-mismatch.ts'
import { ProviderUnreachable, type ProviderFetch } from '../provider/provider-fetch.ts'
import { inWords } from '../provider/provider-words.ts'
import { fine, note, problem, unchecked, type Finding } from './finding.ts'
import { explainUnreachable } from './unreachable.ts'

const WELL_KNOWN = '/.well-known/openid-configuration'
const MAX_GUESSES = 6
const CLOCK_APART_MS = 2 * 60_000 // if clocks differ more, ID tokens count as expired or not valid yet

export interface Discovered {
  /** Undefined without a readable document. */
  metadata: Readonly<Record<string, unknown>> | undefined
  /** Whether the provider's issuer is the one in the configuration. */
  isExpectedIssuer: boolean
  findings: Finding[]
}

export async function discover(
  { issuer_url: issuerUrl, client_id }: Pick<OpenidConnectConfig, 'issuer_url' | 'client_id'>,
  fetch: ProviderFetch,
  clock: () => number,
): Promise<Discovered> {
  const url = discoveryUrl(issuerUrl)
  const nothing = (found: Finding): Discovered => ({ metadata: undefined, isExpectedIssuer: false, findings: [found] })
  let place = url.href
  let response: Response
  try {
    response = await followingOnce(fetch, ({ to }) => (place = to))(url.href)
  } catch (error) {
    if (!(error instanceof ProviderUnreachable)) throw error
    return nothing(problem('discovery', explainUnreachable(url, error)))
  }
  const now = clock()
  const text = await response.text()
  const metadata = response.status === 200 ? jsonObject(text) : undefined
  if (!metadata) {
    const elsewhere = await lookBeside(issuerUrl, client_id, fetch)
    const { message, advice } = whyNot(place, response, text)
    if (elsewhere !== undefined) return nothing(problem('discovery', `${message}; set issuer_url to ${elsewhere}`))
    return nothing(problem('discovery', `${message}; ${advice ?? 'is the issuer right?'}`, advice ? [] : SHAPES))
  }
  const { found, isExpected } = compareIssuer(issuerUrl, metadata.issuer)
  return {
    metadata,
    isExpectedIssuer: isExpected,
    findings: [
      place === url.href
        ? fine('discovery', url.href)
        : note(
            'discovery',
            `${url.href} redirects to ${place}; the relay follows this redirect, but other programs may not`,
          ),
      ...found,
      ...compareClock(response, now),
    ],
  }
}

// OpenID Connect Discovery 1.0, section 4: "If the Issuer value contains a path component, any terminating / MUST be
// removed before appending /.well-known/openid-configuration."
function discoveryUrl(issuerUrl: string): URL {
  const url = new URL(issuerUrl)
  url.pathname = `${url.pathname.replace(/\/$/, '')}${WELL_KNOWN}`
  return url
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>) // an object, as just checked; its members are checked one by one
      : undefined
  } catch {
    return undefined // not JSON: the caller says so
  }
}

// ── no document ──────────────────────────────────────────────────────────────────────────────────

const SHAPES = [
  'Most issuers have a path that names a tenant, a realm or an application:',
  '  Okta       https://ORG.okta.com/oauth2/default, or https://ORG.okta.com alone',
  '  Entra      https://login.microsoftonline.com/TENANT_ID/v2.0',
  '  Keycloak   https://HOST/realms/REALM',
  '  authentik  https://HOST/application/o/SLUG/',
  '  Descope    https://api.descope.com/PROJECT_ID',
]

/** @param place the URL of the answer; @returns the problem, and advice if known */
function whyNot(place: string, response: Response, text: string): { message: string; advice?: string } {
  const { status, headers } = response
  const redirect = describeRedirect(place, response)
  if (redirect !== undefined) {
    return { message: `${place} ${redirect}`, advice: whereTo(place, headers.get('location')) }
  }
  if (status === 401 || status === 403) {
    return {
      message: `${place} is refused (HTTP ${status}), though it must be public`,
      advice: 'does a firewall or a proxy in front of the provider block it?',
    }
  }
  if (status !== 200) return { message: `there is no discovery document at ${place} (HTTP ${status})` }
  return { message: `${place} is ${/^\s*</.test(text) ? 'a web page, not JSON' : 'not a JSON object'}` }
}

/**
 * The message about a redirect that the relay does not follow: the provider has moved, or a proxy is in front of
 * it.
 */
function whereTo(place: string, location: string | null): string {
  const target = URL.parse(location ?? '', place)
  if (target?.protocol !== 'https:' || !target.pathname.endsWith(WELL_KNOWN)) {
    return 'does something in front of the provider require a sign-in, or is the issuer wrong?'
  }
  const issuer = `${target.origin}${target.pathname.slice(0, -WELL_KNOWN.length)}`
  return `if that is your provider, too, set issuer_url to ${inWords(issuer)}`
}

/** The issuer of a document that is found near the expected place. */
async function lookBeside(issuerUrl: string, clientId: string, fetch: ProviderFetch): Promise<string | undefined> {
  const answers = await Promise.all(
    guesses(new URL(issuerUrl), clientId).map(async (guess) => {
      try {
        const response = await fetch(discoveryUrl(guess).href)
        const issuer = response.status === 200 ? jsonObject(await response.text())?.issuer : undefined
        return typeof issuer === 'string' && isSameIssuer(guess, issuer) ? issuer : undefined
      } catch (error) {
        if (error instanceof ProviderUnreachable) return undefined
        throw error
      }
    }),
  )
  return answers.find((issuer) => issuer !== undefined)
}

/** Likely issuers on the same origin, the likeliest first. */
function guesses({ origin, hostname, pathname }: URL, clientId: string): string[] {
  const path = pathname.replace(/\/$/, '')
  const realm = /^(.*)\/realms\/([^/]+)/.exec(path)
  const parents = path.split('/').map((_part, index, parts) => parts.slice(0, parts.length - index - 1).join('/'))
  const paths = [
    ...(hostname === 'login.microsoftonline.com' ? [`${path}/v2.0`] : []),
    ...(realm ? [realm[0], `/auth/realms/${realm[2]}`, `/realms/${realm[2]}`] : []),
    ...(path === '' || path === '/oauth2' ? ['/oauth2/default'] : []), // Okta
    ...(path === '' ? [`/${encodeURIComponent(clientId)}`] : []), // Descope has the project's id in both places
    ...parents.slice(0, -1),
  ]
  return [...new Set(paths)]
    .filter((guess) => guess !== path)
    .slice(0, MAX_GUESSES)
    .map((guess) => `${origin}${guess}`)
}

// ── issuer and clock ─────────────────────────────────────────────────────────────────────────────

function compareIssuer(issuerUrl: string, named: unknown): { found: Finding[]; isExpected: boolean } {
  if (typeof named !== 'string' || named === '') {
    return { found: [problem('issuer', 'its discovery document does not name its issuer')], isExpected: false }
  }
  if (named === issuerUrl) return { found: [fine('issuer', `${named}, to the letter`)], isExpected: true }
  const lines = difference(issuerUrl, named)
  if (!isSameIssuer(issuerUrl, named)) {
    return { found: [problem('issuer', issuerMismatch(issuerUrl, named), lines)], isExpected: false }
  }
  return {
    found: [note('issuer', `your provider writes it ${named}; for the relay this is the same`, lines)],
    isExpected: true,
  }
}

/** The two texts in two lines, with a mark below their first difference. */
function difference(issuerUrl: string, named: string): string[] {
  let index = 0
  while (index < issuerUrl.length && issuerUrl[index] === named[index]) index++
  const atEnd = `${issuerUrl}/` === named || issuerUrl === `${named}/`
  const mark = atEnd ? 'the slash at the end' : 'they differ from here'
  return [`issuer_url  ${issuerUrl}`, `provider    ${named}`, `            ${' '.repeat(index)}^ ${mark}`]
}

function compareClock(response: Response, now: number): Finding[] {
  const date = Date.parse(response.headers.get('date') ?? '')
  if (Number.isNaN(date)) {
    const apart = `${CLOCK_APART_MS / 60_000} minutes`
    return [
      unchecked(
        'clock',
        `not compared, because the provider sends no Date. If the two clocks are more than ${apart} apart, sign-ins fail; synchronise both, for example with NTP`,
      ),
    ]
  }
  const apart = now - (date + ageSeconds(response) * 1000)
  if (Math.abs(apart) <= CLOCK_APART_MS) return [fine('clock', 'agrees with that of the provider')]
  const minutes = Math.round(Math.abs(apart) / 60_000)
  return [
    problem(
      'clock',
      `the clock of this machine is ${minutes} minutes ${apart > 0 ? 'ahead of' : 'behind'} the provider's, so ID tokens would count as ${apart > 0 ? 'expired' : 'not valid yet'}; synchronise both, for example with NTP`,
    ),
  ]
}

/** RFC 9111 5.1: a cache says in Age how many seconds ago the answer was made. */
function ageSeconds(response: Response): number {
  const age = response.headers.get('age') ?? ''
  return /^\d{1,9}$/.test(age) ? Number(age) : 0
}
