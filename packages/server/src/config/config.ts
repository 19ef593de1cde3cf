// The configuration as the rooms use it: parsed, expanded, checked, with every default filled in.
// It keeps the keys of relay.yml. schema.ts says what may be written there; parse-config.ts makes one from the other.

import type { Labels } from '@sallyport/protocol'
import type { z } from 'zod'

import type { configSchema } from './schema.ts'
import type { balanceSchema, fixedResponseSchema, stickySchema } from './schema/backend-schema.ts'
import type { pageDetailsSchema, pagesSchema } from './schema/pages-schema.ts'
import type { basicAuthSchema } from './schema/basic-auth-schema.ts'
import type { jwtValidationSchema } from './schema/jwt-validation-schema.ts'
export type { ListenAddress } from './schema/listen-schema.ts'
import type { limitsSchema } from './schema/limits-schema.ts'
import type { openidConnectSchema } from './schema/openid-connect-schema.ts'
import type { addHeadersSchema, denySchema, removeHeadersSchema, restrictIpsSchema } from './schema/policy-schema.ts'
import type { timeoutsSchema } from './schema/timeouts-schema.ts'

/** A whole relay.yml. */
export type Config = Omit<z.output<typeof configSchema>, 'edges' | 'tls' | 'store'> & {
  tls: { certificates: readonly CertificateFiles[]; hsts_seconds: number }
  store: StoreLocation
  edges: readonly EdgeConfig[]
}

/** `logo_file` is an absolute path. */
export type PagesConfig = z.output<typeof pagesSchema>

/** Who is told labels, commands and counts. */
export type PageDetails = z.output<typeof pageDetailsSchema>

/** Absolute paths. */
export interface CertificateFiles {
  cert_file: string
  key_file: string
}

/** Where the store lives. The path is absolute. */
export interface StoreLocation {
  type: 'sqlite'
  path: string
}

export interface EdgeConfig {
  id: string
  /** Lowercase; `*.example.com` stands for every host below example.com. Never empty. */
  hosts: readonly string[]
  /** The edge's own origin where it differs from the scheme and port of `public_url`, without a path. */
  origin?: string
  description?: string
  metadata?: string
  /** What differs from those of the relay. */
  pages?: PagesConfig
  /** Where it differs from that of the relay. */
  page_details?: PageDetails
  /** Never empty; in the order of the file. */
  routes: readonly RouteConfig[]
}

export type RouteConfig = RouteMatch & {
  /** In lower case. */
  allow_upgrades?: readonly string[]
  backend: BackendConfig
  policy: PolicyConfig
}

/** Both are raw paths in normal form: no escapes, no dot segments. A prefix has no `/` at its end, except `/` itself. */
export type RouteMatch =
  | { exact_path: string; path_prefix?: undefined }
  | { path_prefix: string; exact_path?: undefined }

/** Where a route leads, and whether visitors stick to a tunnel of it. */
export type BackendConfig = (PlainBackendConfig | WeightedBackendConfig | FailoverBackendConfig) & {
  sticky?: StickyConfig
}

export type PlainBackendConfig = TunnelGroupConfig | { fixed_response: FixedResponseConfig }

export interface TunnelGroupConfig {
  /** A tunnel is meant where it has all of these. Never empty. */
  labels: Labels
  balance?: BalanceMethod
}

export interface WeightedBackendConfig {
  /** At least one has a weight above 0. */
  weighted: readonly { backend: PlainBackendConfig; weight: number }[]
}

export interface FailoverBackendConfig {
  /** In order of preference. */
  failover: readonly (PlainBackendConfig | WeightedBackendConfig)[]
}

export type BalanceMethod = z.output<typeof balanceSchema>
export type FixedResponseConfig = z.output<typeof fixedResponseSchema>
/** `max_age` is milliseconds. */
export type StickyConfig = z.output<typeof stickySchema>

export interface PolicyConfig {
  on_http_request: readonly RequestRule[]
  on_http_response: readonly ResponseRule[]
}

export interface RequestRule {
  name?: string
  actions: readonly RequestAction[]
}

export interface ResponseRule {
  name?: string
  actions: readonly ResponseAction[]
}

export type RequestAction =
  | AdmittingAction
  | { type: 'any-of'; config: { actions: readonly AdmittingAction[] } }
  | { type: 'deny'; config: DenyConfig }
  | ResponseAction

/** Decides by who is asking. */
export type AdmittingAction =
  | { type: 'openid-connect'; config: OpenidConnectConfig }
  | { type: 'service-token' }
  | { type: 'jwt-validation'; config: JwtValidationConfig }
  | { type: 'basic-auth'; config: BasicAuthConfig }
  | { type: 'restrict-ips'; config: RestrictIpsConfig }

export type ResponseAction =
  | { type: 'add-headers'; config: AddHeadersConfig }
  | { type: 'remove-headers'; config: RemoveHeadersConfig }

/** Durations are milliseconds. `auth_id` and `identity_jwt` always have a value here. */
export type OpenidConnectConfig = Omit<
  z.output<typeof openidConnectSchema>,
  'auth_id' | 'identity_jwt' | 'alternatives'
> & {
  auth_id: string
  identity_jwt: boolean
  alternatives?: readonly OpenidConnectConfig[]
}
export type BasicAuthConfig = z.output<typeof basicAuthSchema>
/** `clock_tolerance` is milliseconds. */
export type JwtValidationConfig = z.output<typeof jwtValidationSchema>
export type RestrictIpsConfig = z.output<typeof restrictIpsSchema>
export type AddHeadersConfig = z.output<typeof addHeadersSchema>
export type RemoveHeadersConfig = z.output<typeof removeHeadersSchema>
export type DenyConfig = z.output<typeof denySchema>

export type Limits = z.output<typeof limitsSchema>
/** What may keep somebody out: a key of `limits:`, or the open files that the system grants. */
export type LimitName = keyof Limits | 'open_files'
/** In seconds, as in the file. */
export type Timeouts = z.output<typeof timeoutsSchema>
