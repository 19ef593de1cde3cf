// The description of an edge for the operator, whatever source the edge has. Types only.

import type { Labels } from '@sallyport/protocol'

import type { RouteConfig } from '../model/edge-config.ts'
import type { Selection } from '../tunnel/registry.ts'

export interface KnownEdge {
  readonly id: string
  readonly hosts: readonly string[]
  /** The URLs of its hosts. */
  readonly endpoints: readonly string[]
  /** The authtoken of the agent that brought it; undefined if the configuration has it. */
  readonly authtokenId: string | undefined
  /** Why nobody is served; undefined if the edge serves. */
  readonly closed: 'broken' | 'disabled' | undefined
  /** The targets of its routes, each once; none if they answer by themselves. */
  readonly groups: readonly TunnelsOfEdge[]
}

export interface TunnelsOfEdge {
  /**
   * The labels by which its tunnels are found. An edge of an agent has labels that the relay makes and nobody else can
   * write.
   */
  readonly labels: Labels
  readonly selection: Selection
  /** The routes that lead there, in the order of the configuration. */
  readonly routes: readonly RouteConfig[]
}
