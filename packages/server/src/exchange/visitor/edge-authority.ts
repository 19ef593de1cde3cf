// Pure: no I/O, no clock.

/**
 * Host and port of the edge's origin. A visitor may write any port, any case and a final dot, and apps build links from
 * it, in mails as well.
 */
export function edgeAuthority({ origin, host }: { origin: string; host: string }): string {
  return origin === '' ? host : origin.slice(origin.indexOf('//') + 2)
}
