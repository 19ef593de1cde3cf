// Whether sessions may be shared under a domain. Browsers refuse cookies for a public suffix by a list of some 10 000
// entries, which changes weekly; this has only those that people mistake for a domain of theirs. Pure: no I/O, no
// clock.

import { isIP } from 'node:net'

import { hostPatternProblem } from './host-pattern.ts'

const COMMON_SECOND_LEVEL = /^(?:ac|co|com|edu|go|gob|gouv|gov|ltd|mil|ne|net|nom|or|org|sch)\.[a-z]{2}$/

/** @param domain in lowercase */
export function cookieDomainProblem(domain: string): string | undefined {
  if (domain.startsWith('.') || domain.startsWith('*.')) {
    return `leave the ${domain.startsWith('.') ? 'dot' : '*.'} in front away: ${domain.replace(/^\*?\./, '')}`
  }
  const problem = hostPatternProblem(domain)
  if (problem !== undefined) return problem
  if (isIP(domain)) return `"${domain}" is an address; sessions can be shared under a name only`
  if (!domain.includes('.') || COMMON_SECOND_LEVEL.test(domain)) {
    return `strangers have hosts under "${domain}" as well; write a domain of your own, for example apps.example.com`
  }
  return undefined
}
