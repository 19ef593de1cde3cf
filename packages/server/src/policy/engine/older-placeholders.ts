// The form of `${…}` in the header flags and modules of ngrok's edges, which began with a dot and had names of its own (section 7 of
// the reference). It is read as an expression with the current name. Pure: no I/O, no clock.

const SIGN_IN = '(has(actions.ngrok.oidc.identity) ? actions.ngrok.oidc.identity : actions.ngrok.oauth.identity)'

/** By the older name, without its first dot: the current expression. */
const CURRENT: ReadonlyMap<string, string> = new Map([
  ['basic_auth.username', 'actions.ngrok.basic_auth.credentials.username'],
  ['compression.algorithm', 'actions.ngrok.compress.negotiated_algorithm'],
  ['conn.bytes_in', 'conn.bytes_in'],
  ['conn.bytes_out', 'conn.bytes_out'],
  ['conn.client_ip', 'conn.client_ip'],
  ['conn.server_ip', 'conn.server_ip'],
  ['conn.server_name', 'conn.tls.sni'],
  ['conn.server_port', 'conn.server_port'],
  ['conn.start_ts', 'conn.ts.start'],
  ['http.request.method', 'req.method'],
  ['http.request.url.host', 'req.url.host'],
  ['http.request.url.path', 'req.url.path'],
  ['http.request.url.query', 'req.url.query'],
  ['http.request.url.raw', 'req.url'],
  ['http.request.url.scheme', 'req.url.scheme'],
  ['http.request.user_agent', 'req.user_agent'],
  ['http.request.version', 'req.version'],
  ['http.response.status_code', 'res.status_code'],
  ['ngrok.client_ip', 'conn.client_ip'],
  ['ngrok.geo.country_code', 'conn.geo.country_code'],
  ['ngrok.geo.lat_long_radius_km', 'conn.geo.radius'],
  ['ngrok.geo.latitude', 'conn.geo.latitude'],
  ['ngrok.geo.longitude', 'conn.geo.longitude'],
  ['oauth.user.email', `${SIGN_IN}.email`],
  ['oauth.user.id', `${SIGN_IN}.provider_user_id`],
  ['oauth.user.name', `${SIGN_IN}.name`],
  ['tls.cipher_suite', 'conn.tls.cipher_suite'],
  ['tls.client_cert.serial_number', 'conn.tls.client.serial_number'],
  ['tls.client_cert.subject', 'conn.tls.client.subject'],
  ['tls.client_cert.subject.cn', 'conn.tls.client.subject.common_name'],
  ['tls.version', 'conn.tls.version'],
])

const OLDER = /^\s*\.([\w.]+)\s*$/

/** The current form of such a placeholder. */
export interface OlderPlaceholder {
  readonly older: string
  /** Undefined if nothing has taken its place. */
  readonly current: string | undefined
  /** The same for people: without the condition that reads the result of either kind of sign-in. */
  readonly shown: string
}

/** @returns undefined for a placeholder in the current form */
export function olderPlaceholder(source: string): OlderPlaceholder | undefined {
  const [, name] = OLDER.exec(source) ?? []
  if (name === undefined) return undefined
  const current = CURRENT.get(name)
  return { older: `.${name}`, current, shown: current?.replace(SIGN_IN, 'actions.ngrok.oidc.identity') ?? '' }
}
