// One `user:password` of basic-auth, as it stands in the configuration. Pure: no I/O, no clock. Sentences never repeat
// what was written.

import { parsePasswordHash } from './password-hash.ts'

const PASSWORD_MIN_CHARS = 8
const PASSWORD_MAX_CHARS = 128

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
  // RFC 7617 2: "The user-id and password MUST NOT contain any control characters."
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(written)) return { problem: 'may not contain control characters, such as a line break' }
  if (password.startsWith('$scrypt$')) {
    const hash = parsePasswordHash(password)
    return hash ? { user, password } : { problem: 'has a hash that cannot be read; make one with: relay hash-password' }
  }
  const { length } = password
  if (length < PASSWORD_MIN_CHARS || length > PASSWORD_MAX_CHARS) {
    return {
      problem: `has a password of ${length} characters; it must have ${PASSWORD_MIN_CHARS} to ${PASSWORD_MAX_CHARS}`,
    }
  }
  return { user, password }
}
