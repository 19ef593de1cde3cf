// An edge as it is shown to the operator, wherever it comes from. Types only.

import type { Labels } from '@sallyport/protocol'

import type { RouteConfig } from '../model/edge-config.ts'
import type { Selection } from '../tunnel/registry.ts'

export interface KnownEdge {
  readonly id: string
  readonly hosts: readonly string[]
  /** The URLs of its hosts. */
  readonly endpoints: readonly string[]
  /** Of the agent that brought it; undefined where the configuration has it. */
  readonly authtokenId: string | undefined
  /** Where its routes lead, each once; none where they answer by themselves. */
  readonly groups: readonly TunnelsOfEdge[]
}

export interface TunnelsOfEdge {
  /** By which its tunnels are found. For an edge of an agent they are the relay's own, which nobody can write. */
  readonly labels: Labels
  readonly selection: Selection
  /** Those that lead there, in the order of the configuration. */
  readonly routes: readonly RouteConfig[]
}
