// Names of 2024 that are still in people's files (section 7 of the reference). They are read as the current names, with a warning.

import type { Select } from './selects.ts'
import { type SelectArgs, type Tree, operatorOf } from './tree.ts'

const TODAY: Readonly<Record<string, string>> = {
  'conn.ClientIP': 'conn.client_ip',
  'conn.Geo.CountryCode': 'conn.geo.country_code',
  'conn.Geo.Latitude': 'conn.geo.latitude',
  'conn.Geo.Longitude': 'conn.geo.longitude',
  'conn.Geo.LatLongRadiusKm': 'conn.geo.radius',
  'req.Method': 'req.method',
  'req.Host': 'req.host',
  'req.Path': 'req.url.path',
  'req.URL': 'req.url',
  'req.Params': 'req.url.query_params',
  'req.Protocol': 'req.version',
  'req.Headers': 'req.headers',
  'req.Trailers': 'req.trailers',
  'req.ContentLength': 'req.content_length',
  'req.Location': 'req.location',
  'req.ClientTLS.CertCN': 'conn.tls.client.subject.common_name',
  'req.ClientTLS.CipherSuite': 'conn.tls.cipher_suite',
  'req.ClientTLS.SNI': 'conn.tls.sni',
  'req.ClientTLS.Version': 'conn.tls.version',
  'res.Headers': 'res.headers',
  'res.Trailers': 'res.trailers',
  'res.ContentLength': 'res.content_length',
  'res.Location': 'res.location',
  'res.ServerTLS.CertCN': 'conn.tls.server.subject.common_name',
  'res.ServerTLS.CipherSuite': 'conn.tls.cipher_suite',
  'res.ServerTLS.Version': 'conn.tls.version',
}

/**
 * Rewrites the beginning of a chain of selects in place.
 * @returns the older and the current name, or undefined if the chain has no older name
 */
export function renewName(base: Tree, selects: readonly Select[]): { older: string; today: string } | undefined {
  for (let count = Math.min(2, selects.length); count > 0; count--) {
    const old = [String(base.args), ...selects.slice(0, count).map(({ name }) => name)].join('.')
    const today = Object.hasOwn(TODAY, old) ? TODAY[old] : undefined
    const last = selects[count - 1]?.node
    if (today === undefined || last?.op !== '.') continue
    const [root = '', ...names] = today.split('.')
    const own = names.pop() ?? ''
    const select = operatorOf(last)
    let inner = base.clone(operatorOf(base), root)
    for (const name of names) inner = last.clone(select, [inner, name] satisfies SelectArgs)
    last.args = [inner, own] satisfies SelectArgs
    return { older: old, today }
  }
  return undefined
}
