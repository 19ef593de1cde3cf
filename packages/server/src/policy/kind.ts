// What is known of an action before one is built: what may be written and by whom, and what it means in words. Each says so
// in the `kind.ts` of its folder, and kinds.ts lists them. Below the configuration, so a kind imports no builder.
// Pure: no I/O, no clock.

import type { z } from 'zod'

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import type { OpenidConnectConfig } from './openid-connect/openid-connect-schema.ts'

export const PHASES = ['on_http_request', 'on_http_response'] as const
export type Phase = (typeof PHASES)[number]

/** One action of a policy. Only its kind knows what is in `config`. */
export interface Step {
  readonly type: string
  readonly config: unknown
}

/** Which visitors an action lets pass: some, by who they are or what they bring; nobody, because it answers; everybody. */
export type Admits = 'some' | 'nobody' | 'everybody'

/**
 * @template S the schema of `config`
 * @template C what `config` is once it is complete
 */
export interface KindOf<S extends z.ZodType, C, In extends Phase, A extends Admits> {
  /** Its paragraph in docs/configuration.md: Markdown, whole sentences. */
  readonly documentation: string
  /** What other programs call it. Whoever writes that is told our name. */
  readonly otherNames: readonly string[]
  readonly phases: readonly In[]
  /** `any-of` may list an action that admits some. */
  readonly admits: A
  /** Whether visitors send it secrets. It is refused where they would do so over plain http. */
  readonly takesSecrets: boolean
  /** The keys that an agent may write in a policy of its own; `nothing` if it may not even name the action. */
  readonly agentMayWrite: readonly KeyOf<S>[] | 'nothing'
  /** What may be written under `config`, with a sentence for each key. A function if other actions are written inside. */
  readonly schema: S | ((alternatives: Alternatives) => S)

  /** Fills in what `config` takes from elsewhere. The paths of files become absolute here. */
  complete(config: z.output<S>, from: Surroundings): C
  /** What a visitor has to satisfy, in a few words such as `a service token`; undefined if that is nothing. */
  asks(config: C, asksOf: (step: Step) => string | undefined): string | undefined

  /** Whether everybody passes but those it names. Without it, an action that asks for something is not open. */
  isOpen?(config: C): boolean
  /** What its keys must agree on with each other, with the edge, and with what is written elsewhere. */
  check?(config: z.output<S>, place: CheckPlace): Iterable<FoundProblem>
  /** What is more than an agent may ask for, in keys that it may write. */
  checkOfAgent?(config: z.output<S>, limits: AgentLimits): Iterable<FoundProblem>
  /** The actions that are written inside of it, under `config.actions`. */
  inside?(config: C): readonly Step[]
  /** The sign-ins that it leads visitors to. */
  signIns?(config: C): readonly OpenidConnectConfig[]
  /** What is asked of identity providers, each with the file of a further authority if it names one. */
  providers?(config: C): readonly { readonly provider_ca_file?: string | undefined }[]
}

/** What there is to know of any kind. */
export type Kind = KindOf<z.ZodType<unknown, Record<string, unknown> | undefined>, unknown, Phase, Admits>

/** By the `type` of the action. The order is that of docs/configuration.md. */
export type KindTable = Readonly<Record<string, Kind>>

/** What `config` is, once complete, of an action of this kind. */
export type ConfigOf<K extends Kind> = ReturnType<K['complete']>

type KeyOf<S extends z.ZodType> = Extract<keyof NonNullable<z.input<S>>, string>

/** What may be written inside of an action. */
export interface Alternatives {
  /** One action that admits some. */
  readonly schema: z.ZodType<Step>
  /** Whether a visitor whom the action does not admit is led away to sign in: nothing behind it is reached. */
  leadsAway(type: string): boolean
}

/** What an action takes from elsewhere. */
export interface Surroundings {
  /** The top-level `identity_jwt`. */
  readonly identityJwt: boolean
  /** Where relative paths start. */
  readonly folder: string
  /** Completes an action inside. */
  readonly complete: (step: Step) => Step
}

/** Where an action is written, for its check. Paths of problems start at `config`. */
export interface CheckPlace {
  /** Undefined if it could not be read. */
  readonly publicUrl: URL | undefined
  readonly hosts: readonly string[]
  /** Remembers a thing under a name. @returns what was remembered first under it by this kind, on this edge, before */
  earlierHere<T>(name: string, thing: T): T | undefined
  /** The same for all edges that are read together. */
  earlierAnywhere<T>(name: string, thing: T): T | undefined
}

/** What the operator lets agents ask for. */
export interface AgentLimits {
  /** Where providers of agents may be. @returns why not there: the end of a sentence */
  readonly issuers: { problemOf(issuer: URL): string | undefined }
}

/** Nothing but its types: a kind that leaves something out does not compile. */
export function defineKind<S extends z.ZodType, C, In extends Phase, A extends Admits>(
  kind: KindOf<S, C, In, A> & Demands<C>,
): KindOf<S, C, In, A> {
  return kind
}

/** What a kind must have because of its configuration: an authority that nobody is told of is never loaded. */
type Demands<C> = 'provider_ca_file' extends NamedKeyOf<C> ? { providers: unknown } : unknown
type NamedKeyOf<C> = string extends keyof C ? never : keyof C // `config` without keys is a record of nothing

/** Only what has its line in the table: `constructor` is no kind. */
export function kindOf(kinds: KindTable, type: string): Kind | undefined {
  return Object.hasOwn(kinds, type) ? kinds[type] : undefined
}
