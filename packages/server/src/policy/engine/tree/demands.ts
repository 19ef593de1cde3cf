// The demands of an expression: data that the operator has to set up, and secrets. A demand that is not
// met is a problem when the policy is loaded: nothing unknown is read as an empty text. Pure: no I/O, no clock.

import { printable } from '@sallyport/protocol/printable'

import type { ExpressionProblem } from '../expression-problem.ts'
import type { Need } from '../variables/record.ts'

/** With its place in the text. */
export type Demand = { readonly start: number; readonly end: number } & (
  | { readonly need: Need; readonly path: string }
  | { readonly vault: string; readonly name: string }
)

/** The data and secrets that a policy has. */
export interface Supply {
  /** The data that its expressions may read. */
  readonly known: ReadonlySet<Need>
  hasSecret(vault: string, name: string): boolean
  /** Absent if the values are not known. */
  readonly secretOf?: ((vault: string, name: string) => string | undefined) | undefined
  /** For `restrict-ips`: ranges of addresses by their id. */
  readonly ipPolicies: ReadonlyMap<string, IpPolicy>
}

export interface IpPolicy {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

export const NO_SUPPLY: Supply = { known: new Set(), hasSecret: () => false, ipPolicies: new Map() }

/** @returns a problem for each demand that is not met */
export function unmetDemands(demands: readonly Demand[], supply: Supply): ExpressionProblem[] {
  return demands.flatMap((demand) => {
    const message = problemOf(demand, supply)
    return message === undefined ? [] : [{ message, start: demand.start, end: demand.end }]
  })
}

function problemOf(demand: Demand, supply: Supply): string | undefined {
  if ('need' in demand) return supply.known.has(demand.need) ? undefined : `${demand.path} ${NEEDED[demand.need]}`
  const { vault, name } = demand
  if (supply.hasSecret(vault, name)) return undefined
  return `there is no secret ${quoted(name)} in the vault ${quoted(vault)}; add it under secrets: in relay.yml (agents: in agent.yml)`
}

const NEEDED: Readonly<Record<Need, string>> = {
  city_file: 'is not known without a database; set geo: { city_file: … } in relay.yml',
  asn_file: 'is not known without a database; set geo: { asn_file: … } in relay.yml',
  ip_lists:
    'is not known without lists of addresses; write them under ip_lists: in relay.yml (agents cannot read their names)',
  blocklist: 'is not known without a list of addresses; write ip_lists: { blocklist: … } in relay.yml',
  tor: 'is not known without a list of addresses; write ip_lists: { tor: … } in relay.yml',
  region: 'is not known; set region: in relay.yml',
}

const NAME_MAX_CHARS = 100

function quoted(name: string): string {
  return printable(JSON.stringify(name.slice(0, NAME_MAX_CHARS)))
}
