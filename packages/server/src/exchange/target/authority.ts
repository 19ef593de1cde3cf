// The form of `host[:port]` in a Host field, an `:authority`, or an address that a policy has made. Pure: no I/O, no clock.

// RFC 3986 3.2.2 without percent-encoding: letters, digits, and the other characters that registered names contain in
// practice.
const HOST = /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9_-])?\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i
const HOST_MAX_CHARS = 260

/** Only the characters of an address in brackets are checked. */
export function isAuthority(text: string): boolean {
  return text.length <= HOST_MAX_CHARS && HOST.test(text)
}
