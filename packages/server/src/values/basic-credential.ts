// One `user:password` of basic-auth in the configuration. Pure: no I/O, no clock. Sentences never repeat the value.

import { parsePasswordHash } from './password-hash.ts'

const PASSWORD_MIN_CHARS = 8
const PASSWORD_MAX_CHARS = 128

// RFC 7617 2: "The user-id and password MUST NOT contain any control characters."
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\x00-\x1f\x7f]/

export interface BasicCredential {
  user: string
  /** The password itself, or its hash as `relay hash-password` prints it. */
  password: string
}

export function parseBasicCredential(written: string): BasicCredential | { problem: string } {
  const colon = written.indexOf(':')
  if (colon < 1) return { problem: 'must be user:password, for example "ada:${ADA_PASSWORD}"' }
  const user = written.slice(0, colon)
  const password = written.slice(colon + 1)
  if (CONTROL.test(written)) return { problem: 'may not contain control characters, such as a line break' }
  if (password.startsWith('$scrypt$')) {
    const hash = parsePasswordHash(password)
    return hash ? { user, password } : { problem: 'has a hash that cannot be read; make one with: relay hash-password' }
  }
  const problem = lengthProblem(password)
  return problem === undefined ? { user, password } : { problem: `has a password of ${problem}` }
}

/** The problem of a password before it is hashed. */
export function passwordProblem(password: string): string | undefined {
  if (password === '') return 'no password came on standard input'
  if (password.startsWith('$scrypt$')) return 'this is a hash already; it can be used as it is'
  if (CONTROL.test(password)) return 'a password may not contain control characters, such as a tab'
  const problem = lengthProblem(password)
  return problem && `this password has ${problem}`
}

function lengthProblem({ length }: string): string | undefined {
  if (length >= PASSWORD_MIN_CHARS && length <= PASSWORD_MAX_CHARS) return undefined
  return `${length} characters; it must have ${PASSWORD_MIN_CHARS} to ${PASSWORD_MAX_CHARS}`
}
