// The secrets of agent.yml, for the policies of its agent: `secrets.get(vault, name)`. They go to the relay with a policy that reads
// secrets, and with no other. Pure: no I/O, no clock.

import { POLICY_MAX_BYTES, SECRETS_MAX, Secret } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'
import { expandEnv } from '@sallyport/protocol/expand-env'

import { revealPolicy } from './http-policy.ts'
import type { Environment } from './proxy.ts'

/** By vault and name. */
export type WrittenSecrets = Readonly<Record<string, Readonly<Record<string, string>>>>

type PolicySecret = readonly [vault: string, name: string, value: Secret]

/** The written secrets, and the environment for variables in them. */
export interface SecretsPlace {
  /** As in the file; `${NAME}` is a variable of the environment. */
  readonly secrets?: WrittenSecrets | undefined
  readonly environment?: Environment | undefined
}

/**
 * Adds the secrets to a policy that reads some.
 * @param policy as the relay takes it, but for each Secret in it
 */
export function withSecrets(
  policy: object | undefined,
  { secrets: written = {}, environment = {} }: SecretsPlace,
  problems: ConfigProblem[],
): object | undefined {
  if (!READS_SECRETS.test(JSON.stringify(revealPolicy(policy)) ?? '')) return policy
  const { tree, problems: unset } = expandEnv(written, environment)
  for (const { path, message } of unset) problems.push({ path: keyOf(...path), message: sentence(message) })
  if (unset.length > 0) return policy
  const secrets = Object.entries(tree as WrittenSecrets).flatMap(([vault, named]) =>
    Object.entries(named).map(([name, value]): PolicySecret => [vault, name, new Secret(value)]),
  )
  for (const [vault, name, value] of secrets) {
    if (UNFIT.test(value.reveal())) problems.push({ path: keyOf(vault, name), message: UNFIT_WORDS })
  }
  const all = secrets.length === 0 ? policy : { ...policy, secrets }
  const problem = tooMuch(all, secrets)
  if (problem !== undefined) problems.push({ path: 'secrets', message: problem })
  return all
}

/** Whether secrets of agent.yml are in a policy. */
export function hasSecrets(policy: object | undefined): boolean {
  return policy !== undefined && 'secrets' in policy
}

function tooMuch(policy: unknown, secrets: readonly PolicySecret[]): string | undefined {
  if (secrets.length > SECRETS_MAX) return `A relay takes ${SECRETS_MAX} secrets with a policy; these are more.`
  if (secrets.length === 0 || bytesOf(revealPolicy(policy)) <= POLICY_MAX_BYTES) return undefined
  return `The policy and these secrets are larger than ${POLICY_MAX_BYTES} bytes, which is what a relay takes.`
}

const READS_SECRETS = /\bsecrets\b/
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\x00-\x1f\x7f]|^\s|\s$/
const UNFIT_WORDS = 'There is a line end in it, or a space around it. Set it without (printf instead of echo).'

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

function keyOf(...path: readonly PropertyKey[]): string {
  return ['secrets', ...path].join('.')
}

function sentence(message: string): string {
  return `${message.slice(0, 1).toUpperCase()}${message.slice(1)}.`
}
