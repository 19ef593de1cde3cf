// The message for an operator if the provider's issuer differs from `issuer_url`. Pure: no I/O, no clock.

import { isLoopbackHost } from '../../values/host-pattern.ts'
import { issuerProblem } from '../../policy/openid-connect/openid-connect-schema.ts'
import { inWords } from './provider-words.ts'

/** Whether both name the same issuer. The case of the host and a single slash after it do not matter. */
export function isSameIssuer(issuerUrl: string, named: string): boolean {
  const url = URL.parse(named)
  return url !== null && url.href === new URL(issuerUrl).href
}

/** One sentence: the provider's issuer, and what to write where. */
export function issuerMismatch(issuerUrl: string, named: string): string {
  // The text that the operator should write is shown unchanged, or not at all.
  const quoted = inWords(named) ?? ''
  if (!URL.canParse(named)) {
    return `your provider calls itself "${quoted}", which is not a URL; set its issuer to ${issuerUrl} there`
  }
  if (quoted !== named || named.trim() !== named) {
    return `your provider calls itself "${quoted}", which cannot be written here; set its issuer to ${issuerUrl} there`
  }
  if (named.includes('{tenantid}')) {
    return `your provider serves every tenant; set issuer_url to your own tenant's, with its id in place of {tenantid} in ${named}`
  }
  const { protocol, hostname } = new URL(named)
  if (hostname === 'sts.windows.net') {
    return `your provider calls itself ${named}, which is its older version; set issuer_url to ${issuerUrl.replace(/\/$/, '')}/v2.0`
  }
  if (protocol !== 'https:' && !isLoopbackHost(hostname)) {
    return `your provider calls itself ${named}, without https; tell it its public address, as for running behind a proxy`
  }
  if (issuerProblem(named) !== undefined) {
    return `your provider calls itself ${named}, which is not possible as issuer_url; set its issuer to ${issuerUrl} there`
  }
  return `your provider calls itself ${named}; set issuer_url to ${named}`
}
