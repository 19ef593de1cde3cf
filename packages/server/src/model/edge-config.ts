// The type of an edge, as the rooms use it: read, checked, with all defaults. It has the keys of relay.yml. edge-schema.ts reads
// them; complete-edge.ts makes an EdgeConfig of the result.

import type { Labels } from '@sallyport/protocol'
import type { z } from 'zod'

import type { ConfigOf, HttpPhase, Phase } from '../policy/kind.ts'
import type { KINDS } from '../policy/kinds.ts'
import type { balanceSchema, fixedResponseSchema, stickySchema } from './schema/backend-schema.ts'
import type { PageDetails, PagesConfig } from './schema/pages-schema.ts'

export interface EdgeConfig {
  id: string
  /** Lowercase; `*.example.com` covers every host below example.com. Never empty. */
  hosts: readonly string[]
  /** The edge's own origin if it differs from the scheme and port of `public_url`, without a path. */
  origin?: string
  description?: string
  metadata?: string
  /** Its differences from the relay's pages. */
  pages?: PagesConfig
  /** If it differs from the relay's. */
  page_details?: PageDetails
  /** The rules for connections of visitors. Never empty. */
  on_tcp_connect?: readonly RuleConfig<'on_tcp_connect'>[]
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

/** The backend of a route, and whether visitors stick to a tunnel of it. */
export type BackendConfig = (PlainBackendConfig | WeightedBackendConfig | FailoverBackendConfig) & {
  sticky?: StickyConfig
}

export type PlainBackendConfig = TunnelGroupConfig | { fixed_response: FixedResponseConfig }

export interface TunnelGroupConfig {
  /** A tunnel with all of these matches. Never empty. */
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

/** The rules of each phase of an exchange, in the order of the file. */
export type PolicyConfig = { readonly [P in HttpPhase]: readonly RuleConfig<P>[] }

export interface RuleConfig<P extends Phase> {
  name?: string
  /** All must hold, or the actions are passed over. Never empty. */
  expressions?: readonly string[]
  actions: readonly ActionIn<P>[]
}

/** The actions of the table that a phase may have. */
export type ActionIn<P extends Phase> = {
  [T in keyof Kinds]: P extends Kinds[T]['phases'][number] ? { type: T; config: ConfigOf<Kinds[T]> } : never
}[keyof Kinds]

type Kinds = typeof KINDS
