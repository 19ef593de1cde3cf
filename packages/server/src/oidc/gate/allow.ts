// Whether a route lets a signed-in visitor in. Evaluated on every request. Pure: no I/O, no clock.

import { claimKey } from '../../values/claim-name.ts'
import type { OpenidConnectConfig } from '../../policy/openid-connect/openid-connect-schema.ts'

export type AllowRules = Pick<OpenidConnectConfig, 'allow' | 'deny' | 'email_verified'>

/** The claims of a session's visitor. */
export interface Person {
  /** As the provider sends it, verified or not. */
  email?: string | undefined
  /** The provider's statement about the address; undefined without one. */
  email_verified?: boolean | undefined
  groups: Readonly<Record<string, readonly string[]>>
}

export type AllowVerdict = { ok: true } | { ok: false; reason: 'denied' | 'not_listed' }

type People = NonNullable<OpenidConnectConfig['allow']>

/**
 * Compiles the lists of a route once. `deny` wins; then one match of `allow` is enough; without `allow`, every other
 * visitor who signs in may pass.
 */
export function compileAllow(rules: AllowRules): (person: Person) => AllowVerdict {
  const isDenied = rules.deny ? compilePeople(rules.deny, domainAtTheEnd) : () => false
  const isListed = rules.allow ? compilePeople(rules.allow, plainDomain) : () => true
  return (person) => {
    // A visitor must not avoid a denial by an unverified address.
    if (isDenied(person.email, person.groups)) return { ok: false, reason: 'denied' }
    if (!isListed(countingEmail(person, rules.email_verified), person.groups))
      return { ok: false, reason: 'not_listed' }
    return { ok: true }
  }
}

/** The address, if it counts as the visitor's. */
export function countingEmail(
  { email, email_verified }: Pick<Person, 'email' | 'email_verified'>,
  rule: OpenidConnectConfig['email_verified'],
): string | undefined {
  return email_verified === true || (email_verified === undefined && rule === 'if_present') ? email : undefined
}

/** The claims that a list looks at, groups first. */
export function claimsOf(people: People | undefined): NonNullable<People['claims']> {
  return [...(people?.groups ? [people.groups] : []), ...(people?.claims ?? [])]
}

function compilePeople(
  people: People,
  domainOf: (address: string) => string | undefined,
): (email: string | undefined, groups: Person['groups']) => boolean {
  const emails = new Set((people.emails ?? []).map(lowerCase).filter(Boolean))
  const domains = new Set((people.domains ?? []).map(lowerCase).filter(Boolean))
  const claims = claimsOf(people).map((named) => ({
    key: claimKey(named),
    values: new Set(named.any_of.filter(Boolean)),
  }))
  return (email, groups) => {
    if (email) {
      const address = lowerCase(email)
      if (emails.has(address)) return true
      const domain = domainOf(address)
      if (domain !== undefined && domains.has(domain)) return true
    }
    // A claim may have any name, `constructor` too.
    return claims.some(
      ({ key, values }) => Object.hasOwn(groups, key) && groups[key]!.some((value) => values.has(value)),
    )
  }
}

/** For `allow`: `ada@evil@example.com` is not a valid address. */
function plainDomain(address: string): string | undefined {
  const [local, domain, ...more] = address.split('@')
  return local && domain && more.length === 0 ? domain : undefined
}

/** For `deny`: every text that a mail server could take for the domain, `"a@b"@example.com.` included. */
function domainAtTheEnd(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).replace(/[\s.>]+$/, '')
}

/** ASCII only: `toLowerCase` also turns letters of other scripts, such as the Kelvin sign, into ASCII ones. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
