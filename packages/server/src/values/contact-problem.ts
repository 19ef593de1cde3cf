// The contact on pages: an address that a browser opens, or plain words. Pure: no I/O, no clock.

/** The problem of a contact, as the end of a sentence; undefined without one. */
export function contactProblem(written: string): string | undefined {
  if (/^mailto:/i.test(written)) {
    if (/^mailto:[^\s<>"@,?]{1,64}@[^\s<>"@,?]{1,255}(?:\?\S*)?$/i.test(written)) return undefined
    return 'is not the address of a mailbox; write for example mailto:help@example.com'
  }
  if (/^https:/i.test(written)) {
    const url = URL.parse(written)
    if (url && /^https:\/\/\S+$/i.test(written) && !url.username && !url.password) return undefined
    return 'is not an https URL; write for example https://help.example.com'
  }
  if (/^(?:[a-z][a-z0-9+.-]*:\/\/|(?:javascript|data|vbscript|file|http|tel|sms):)/i.test(written)) {
    return 'is not something that a page may link to; write mailto:help@example.com, https://help.example.com, or plain words'
  }
  return undefined
}
