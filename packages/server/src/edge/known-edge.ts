// An edge as it is shown to the operator, wherever it comes from. Types only.

import type { Labels } from '@sallyport/protocol'

import type { Selection } from '../tunnel/registry.ts'

export interface KnownEdge {
  readonly id: string
  readonly hosts: readonly string[]
  /** The URLs of its hosts. */
  readonly endpoints: readonly string[]
  /** Of the agent that brought it; undefined where the configuration has it. */
  readonly authtokenId?: string
  /** Where its routes lead, each once; none where they answer by themselves. */
  readonly groups: readonly TunnelsOfEdge[]
}

export interface TunnelsOfEdge {
  /** By which its tunnels are found; undefined where agents name the host and no labels. */
  readonly labels: Labels | undefined
  readonly selection: Selection
}
