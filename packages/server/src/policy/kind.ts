// The type of a kind of action. A kind describes an action before one is built: its configuration, its place in a policy,
// the rights of agents, its words for people. Each action has its kind in the `kind.ts` of its folder, and kinds.ts lists
// them all. Kinds are below the configuration, so they import no builder. Pure: no I/O, no clock.

import type { z } from 'zod'

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import type { Supply } from './engine/tree/demands.ts'
import type { PreparedText } from './late-text.ts'
import type { OpenidConnectConfig } from './openid-connect/openid-connect-schema.ts'

/** The phases of an exchange. Each route has its own rules for them. */
export const HTTP_PHASES = ['on_http_request', 'on_http_response'] as const
export type HttpPhase = (typeof HTTP_PHASES)[number]

/** In the order in which they run. `on_tcp_connect` belongs to a connection, which has no path: its rules are those of the edge. */
export const PHASES = ['on_tcp_connect', ...HTTP_PHASES] as const
export type Phase = (typeof PHASES)[number]

/** Names of phases until 2024, which are read as the current ones. */
export const OLDER_PHASES: Readonly<Record<string, Phase>> = {
  inbound: 'on_http_request',
  outbound: 'on_http_response',
}

/** One action of a policy. Only its kind knows the keys of `config`. */
export interface Step {
  readonly type: string
  readonly config: unknown
}

/** The visitors that an action lets pass: some, by their identity or credentials; nobody, because it answers; everybody. */
export type Admits = 'some' | 'nobody' | 'everybody'

/**
 * @template S the schema of `config`
 * @template C the type of a complete `config`
 */
export interface KindOf<S extends z.ZodType, C, In extends Phase, A extends Admits> {
  /** Its paragraph in docs/configuration.md: Markdown, whole sentences. */
  readonly documentation: string
  /** Its names in other programs. The error for such a name tells our name. */
  readonly otherNames: readonly string[]
  /**
   * Older names of the action and of its keys, from ngrok's earlier policies: they are read as the current ones, with a
   * warning.
   */
  readonly olderNames?: readonly string[]
  readonly olderKeys?: Readonly<Record<string, KeyOf<S>>>
  /** Finds older words in values of `config`, whose form nobody has checked yet. */
  olderWords?(config: Readonly<Record<string, unknown>>): Iterable<OlderWord>
  readonly phases: readonly In[]
  /** `any-of` may list an action that admits some. */
  readonly admits: A
  /** Whether visitors send secrets to it. If so, it is refused on edges with plain http. */
  readonly takesSecrets: boolean
  /**
   * Whether it leaves exchanges under way alone, because it does not choose who may pass: a policy that differs in nothing
   * else is as strict as before.
   */
  readonly isNoGuard?: true
  /** Whether it decides by the path. If so, the edge refuses paths that two readers could read differently. */
  readonly readsPath?: true
  /** Whether it takes effect before there is a request. Its rule may have no conditions then. */
  readonly isUnconditional?: true
  /** Whether it is asynchronous on responses, so that the app's answer is held meanwhile. */
  readonly waits?: true
  /**
   * Whether it may answer visitors by itself although it admits everybody. With `require_sign_in`, a sign-in must come
   * before it.
   */
  readonly mayAnswer?: true
  /** The keys that an agent may write in its own policy; `nothing` if it may not write the action at all. */
  readonly agentMayWrite: readonly KeyOf<S>[] | 'nothing'
  /**
   * The keys that an edge of the store may have besides those that agents may write. Never a key that names a file of the
   * relay: only relay.yml may.
   */
  readonly storeMayHave?: readonly KeyOf<S>[]
  /**
   * The keys with secrets: texts, or lists of texts, with a dot for each level (`jws.keys`). The store seals them, and
   * nobody reads them back.
   */
  readonly secretKeys?: readonly string[]
  /** The keys that say whom the action shows its secrets to. If one changes, the secrets have to be written anew. */
  readonly secretsGoTo?: readonly KeyOf<S>[]
  /** The schema of `config`, with a sentence for each key. A function if `config` contains other actions. */
  readonly schema: S | ((alternatives: Alternatives) => S)

  /**
   * Keys of `config` whose texts may contain `${…}`: a text, or a map of them. An expression never contains a secret
   * of the operator.
   */
  readonly templates?: readonly KeyOf<S>[]
  /** Texts in `config` that its schema checks, although they may contain `${…}`. */
  readonly prepared?: readonly PreparedText[]

  /** Fills in defaults that come from elsewhere. Makes the paths of files absolute. */
  complete(config: z.output<S>, from: Surroundings): C
  /**
   * The thing that a visitor needs in order to pass, in a few words, such as `a service token`; undefined if nothing is
   * needed.
   */
  asks(config: C, asksOf: (step: Step) => string | undefined): string | undefined

  /**
   * Whether everybody except a few named visitors passes. Without this function, an action that asks for something is
   * not open.
   */
  isOpen?(config: C): boolean
  /** Compares its keys with each other, with the edge, and with other actions of its kind. */
  check?(config: z.output<S>, place: CheckPlace): Iterable<FoundProblem>
  /**
   * Warnings about keys that may not mean what the operator intended. Each is the rest of a sentence that begins with
   * a name for the policy.
   */
  warnings?(config: C): Iterable<string>
  /** Finds values that only the operator may write, although an agent may write the key. */
  checkOfAgent?(config: z.output<S>, limits: AgentLimits): Iterable<FoundProblem>
  /** Finds values that only relay.yml may have, although an edge of the store may have the key. */
  checkOfStore?(config: z.output<S>): Iterable<FoundProblem>
  /** The actions inside it, under `config.actions`. Called for an incomplete `config` too. */
  inside?(config: C): readonly Step[]
  /**
   * The expressions in its keys. If one reads the path, the edge is as careful with paths as for a condition that
   * reads the path.
   */
  expressions?(config: C): readonly string[]
  /** The sign-ins to which it leads visitors. */
  signIns?(config: C): readonly OpenidConnectConfig[]
  /** The identity providers that it asks, each with the file of its own authority, if any. */
  providers?(config: C): readonly { readonly provider_ca_file?: string | undefined }[]
}

/** A value with an older word. */
export interface OlderWord {
  readonly key: string
  /** The whole value as it is written today. */
  readonly current: string
  /** A sentence that names both words. */
  readonly message: string
}

/** Any kind. */
export type Kind = KindOf<z.ZodType<unknown, Record<string, unknown> | undefined>, unknown, Phase, Admits>

/** By the `type` of the action. The order is that of docs/configuration.md. */
export type KindTable = Readonly<Record<string, Kind>>

/** The complete `config` of an action of this kind. */
export type ConfigOf<K extends Kind> = ReturnType<K['complete']>

type KeyOf<S extends z.ZodType> = Extract<keyof NonNullable<z.input<S>>, string>

/** The actions that may be inside another action. */
export interface Alternatives {
  /** One action that admits some. */
  readonly schema: z.ZodType<Step>
  /** Whether the action sends a visitor away to sign in, so that no action after it runs. */
  leadsAway(type: string): boolean
}

/** The sources of defaults. */
export interface Surroundings {
  /** The top-level `identity_jwt`. */
  readonly identityJwt: boolean
  /** The folder at which relative paths start. */
  readonly folder: string
  readonly tls: TlsPlace
  readonly ipPolicies: Supply['ipPolicies']
  /** Completes an action inside this one. */
  readonly complete: (step: Step) => Step
}

/** The relay's TLS. */
export interface TlsPlace {
  /** Whether visitors' TLS ends at the relay; undefined if that is not known. */
  readonly endsHere: boolean | undefined
  /** Authorities by their id in the configuration: texts in PEM, and absolute paths of files. */
  readonly authorities: ReadonlyMap<string, readonly string[]>
}

/** For a check that does not know the relay. */
export const UNKNOWN_TLS: TlsPlace = { endsHere: undefined, authorities: new Map() }

/** The place of an action, for its check. Paths of problems start at `config`. */
export interface CheckPlace {
  readonly phase: Phase
  /** Undefined if the relay could not read it. */
  readonly publicUrl: URL | undefined
  readonly hosts: readonly string[]
  readonly tls: TlsPlace
  /** The data that expressions of this policy may read; an argument of `valueOf()` and its siblings. */
  readonly supply: Supply
  /** The redirect URI of an issuer at this relay; undefined without `publicUrl`. */
  redirectUri(issuerUrl: string): string | undefined
  /**
   * Remembers a thing of this edge under a name. The name begins with the sort of thing, because all kinds share the names.
   * @returns the first thing under this name; undefined if this is the first one
   */
  earlierHere<T>(name: string, thing: T): T | undefined
  /** The same for all edges that are read together. */
  earlierAnywhere<T>(name: string, thing: T): T | undefined
}

/** Limits for policies of agents. */
export interface AgentLimits {
  /** Checks the address of a provider that an agent has named. @returns the reason against it, as the end of a sentence */
  readonly issuers: { problemOf(issuer: URL): string | undefined }
}

/** Only checks types: a kind that lacks a part does not compile. */
export function defineKind<S extends z.ZodType, C, In extends Phase, A extends Admits>(
  kind: KindOf<S, C, In, A> & Demands<C>,
): KindOf<S, C, In, A> {
  return kind
}

/**
 * Functions that a kind must have because of its configuration. Without `providers`, its authorities would never be
 * loaded.
 */
type Demands<C> = 'provider_ca_file' extends NamedKeyOf<C> ? { providers: unknown } : unknown
type NamedKeyOf<C> = string extends keyof C ? never : keyof C // `config` without keys is a record of nothing

/** Finds only own keys of the table, because `constructor` is not a kind. */
export function kindOf(kinds: KindTable, type: string): Kind | undefined {
  return Object.hasOwn(kinds, type) ? kinds[type] : undefined
}

/** The current name for a `type` that was written, which may be an older one; undefined if there is no such action. */
export function currentType(kinds: KindTable, written: string): string | undefined {
  if (Object.hasOwn(kinds, written)) return written
  return Object.keys(kinds).find((type) => kinds[type]?.olderNames?.includes(written))
}
