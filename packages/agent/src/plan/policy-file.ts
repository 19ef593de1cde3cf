// The policy that a person has in a file, as ngrok's agent takes it (`--traffic-policy-file`): YAML or JSON. The relay checks
// every rule; here the text becomes values, with a way back from a place in them to its line. Pure: no I/O, no clock.

import { POLICY_MAX_BYTES, printable } from '@sallyport/protocol'
import { ConfigError } from '@sallyport/protocol/config-error'
import type { ConfigProblem } from '@sallyport/protocol/config-error'
import { expandPolicyEnv } from '@sallyport/protocol/expand-env'
import { YamlFile } from '@sallyport/protocol/yaml-file'

import type { PolicyText } from './agent-options.ts'
import { revealPolicy } from './http-policy.ts'
import { withSecrets } from './policy-secrets.ts'
import type { WrittenSecrets } from './policy-secrets.ts'
import type { Environment } from './proxy.ts'

export interface PolicyFile {
  /** The plain values for the relay. They may contain secrets. */
  readonly policy: unknown
  /** For instance `policy.yaml:7:15 on_http_request[0].actions[0].type`. */
  readonly placeOf: (path: readonly (string | number)[]) => string
}

/**
 * @param environment for `${NAME}` in capitals
 * @param secrets those of agent.yml, added to a policy that reads secrets
 * @throws ConfigError with every problem that the text alone shows, each with its line and column
 */
export function readPolicyFile(
  { text, source }: PolicyText,
  environment: Environment,
  secrets?: WrittenSecrets,
): PolicyFile {
  const yaml = new YamlFile(text, source)
  const placeOf = (path: readonly PropertyKey[]): string => yaml.placeAndPath(path)
  const refuse = (message: string): never => {
    throw new ConfigError([{ path: source, message }])
  }
  const { tree, problems } = expandPolicyEnv(yaml.tree, environment)
  if (problems.length > 0) {
    throw new ConfigError(problems.map(({ path, message }) => ({ path: printable(placeOf(path)), message })))
  }
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
    return refuse('A policy has its phases as keys, like on_http_request, and below each a list of rules.')
  }
  if (Object.keys(tree).length === 0) refuse('The policy is empty. Write rules, or remove the flag.')
  if (Buffer.byteLength(JSON.stringify(tree)) > POLICY_MAX_BYTES) {
    refuse(`The policy is larger than ${POLICY_MAX_BYTES} bytes, which is what a relay takes.`)
  }
  if ('secrets' in tree) {
    const path = printable(placeOf(['secrets']))
    const message = 'Secrets are for agent.yml, under the same key; a policy only names them: secrets.get(vault, name).'
    throw new ConfigError([{ path, message }])
  }
  const unfit: ConfigProblem[] = []
  const policy = revealPolicy(withSecrets(tree, { secrets, environment }, unfit))
  if (unfit.length > 0) throw new ConfigError(unfit)
  return { policy, placeOf }
}
