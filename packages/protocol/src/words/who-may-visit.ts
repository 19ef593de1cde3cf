// The words in which relay and agent say who may visit, so that both say the same. They name people and places, never a
// secret, and are short for any configuration. Pure.

import { withoutControls } from '../process/printable.ts'

const NAMED = 4
const NAME_MAX_CHARS = 64

/** People, by the claims of their provider; as `allow` and `deny` of an `openid-connect`. */
export interface NamedPeople {
  emails?: readonly string[] | undefined
  domains?: readonly string[] | undefined
  groups?: readonly string[] | undefined
  /** Further claims, each `name value`. */
  claims?: readonly string[] | undefined
}

/** One provider at which visitors may sign in. */
export interface SignInWay {
  /** Its issuer URL. */
  issuer: string
  allow?: NamedPeople | undefined
  deny?: NamedPeople | undefined
}

/** For example `sign-in at login.example.com (only @example.com, group staff)`. @param ways one of them is enough */
export function signInWords(ways: readonly SignInWay[]): string {
  return `sign-in at ${ways.map(wayWords).join(' or ')}`
}

function wayWords({ issuer, allow = {}, deny = {} }: SignInWay): string {
  const host = URL.canParse(issuer) ? new URL(issuer).host : named(issuer)
  const [allowed, denied] = [namesOf(allow), namesOf(deny)]
  const said = [
    ...(allowed.length > 0 ? [`only ${listed(allowed)}`] : []),
    ...(denied.length > 0 ? [`not ${listed(denied)}`] : []),
  ]
  return `${host}${said.length > 0 ? ` (${said.join('; ')})` : ''}`
}

export const PASSWORD_WORDS = 'a user and password'

export const CERTIFICATE_WORDS = 'a client certificate'

/** @param provider the signer: `github` */
export function webhookWords(provider: string): string {
  return `a webhook that ${provider} has signed`
}

/** For example `from 10.0.0.0/8, not from 10.1.0.0/16`; empty if all addresses may. */
export function addressWords(allow: readonly string[] = [], deny: readonly string[] = []): string {
  const said = [
    ...(allow.length > 0 ? [`from ${listed(allow)}`] : []),
    ...(deny.length > 0 ? [`not from ${listed(deny)}`] : []),
  ]
  return said.join(', ')
}

/** All conditions for a visitor, in one sentence. @param steps everybody must satisfy each */
export function whoMayVisit(steps: readonly string[]): string {
  return steps.length === 0 ? 'everybody' : steps.join(', and ')
}

/** The same for an internal endpoint, which visitors reach through policies alone. @param words as whoMayVisit() has them */
export function forwardedWords(words: string): string {
  return words === 'everybody' ? FORWARDED : `${FORWARDED}, ${words}`
}

const FORWARDED = 'only through policies that forward here'

/** The first few, and the number of the others. */
export function listed(words: readonly string[]): string {
  const more = words.length - NAMED
  const shown = words.slice(0, NAMED).map(named).join(', ')
  return more > 0 ? `${shown} and ${more} more` : shown
}

function namesOf({ domains = [], emails = [], groups = [], claims = [] }: NamedPeople): string[] {
  return [...domains.map((domain) => `@${domain}`), ...emails, ...groups.map((group) => `group ${group}`), ...claims]
}

function named(word: string): string {
  return withoutControls(word.length > NAME_MAX_CHARS ? `${word.slice(0, NAME_MAX_CHARS - 1)}…` : word)
}
