// The valid entries of `allow_upgrades`. Pure: no I/O, no clock.

// RFC 9110 7.8: protocol-name [ "/" protocol-version ], both tokens.
const PROTOCOL = /^[!#$%&'*+.^_`|~0-9a-z-]+(?:\/[!#$%&'*+.^_`|~0-9a-z-]+)?$/

/** @param protocol in lower case */
export function upgradeProblem(protocol: string): string | undefined {
  if (!PROTOCOL.test(protocol))
    return `"${protocol}" is not the name of a protocol; write it as in Upgrade, for example spdy/3.1`
  const [name = ''] = protocol.split('/', 1)
  switch (name) {
    case 'websocket':
      return 'WebSockets pass on every route; remove websocket'
    // After a switch to HTTP a visitor could send requests that no policy has checked (h2c smuggling).
    case 'h2c':
    case 'h2':
    case 'http':
      return `${protocol} would carry requests past the policy; visitors speak HTTP/2 with the relay itself (listen.http2)`
    case 'tls':
      return `${protocol} would hide from the relay what it decides on; visitors speak TLS with the relay itself (listen.https)`
    default:
      return undefined
  }
}
