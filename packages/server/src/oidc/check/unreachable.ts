// Explains why a provider could not be asked, with advice. Pure: no I/O, no clock.

import { UNTRUSTED_CODES, type ProviderUnreachable } from '../provider/provider-fetch.ts'

/** One sentence, which names the host and what to check. */
export function explainUnreachable(url: URL, error: ProviderUnreachable): string {
  const { host, hostname } = url
  const code = codeOf(error) ?? ''
  switch (code) {
    case 'ENOTFOUND':
      return `there is no host ${hostname} in DNS; is it spelled right, and does this machine use the right DNS server?`
    case 'EAI_AGAIN':
      return `DNS gives no answer about ${hostname}; does this machine have network access and a DNS server?`
    case 'ECONNREFUSED':
      return `nothing listens at ${host}; is the provider running, and is the port right?`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `${host} cannot be reached from this machine (${code}); is there a firewall, or is a route missing?`
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${host} has expired; renew it there, or set the clock of this machine if it is wrong`
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${host} is not valid yet; is the clock of this machine right?`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${host} is for other names; is this the address that people use for the provider?`
  }
  if (UNTRUSTED_CODES.has(code)) {
    return `the certificate of ${host} is not from an authority that is trusted here (${code}); if it is one of your own, name it in provider_ca_file (here --provider-ca-file), and have the provider send its intermediate certificates`
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    return `${host} speaks no TLS that this machine supports (${code}); is it a port for plain http?`
  }
  return error.message
}

/** The code of the innermost error that has a code. If there are several addresses, the first error counts. */
function codeOf(error: unknown): string | undefined {
  let code: string | undefined
  for (let each = error; each instanceof Error; each = each instanceof AggregateError ? each.errors[0] : each.cause) {
    if ('code' in each && typeof each.code === 'string' && each.code !== 'ABORT_ERR') code = each.code
  }
  return code
}
