// Secrets that a policy of an agent reads, for `relay policy check`: the names that agent.yml has, and the names that it must have.
// Nobody looks at their values.

import { printable } from '@sallyport/protocol'
import { YamlFile } from '@sallyport/protocol/yaml-file'

import { readText } from './read-text.ts'
import { secretsSchema } from '../config/schema/sources-schema.ts'
import type { Vaults } from '../config/schema/sources-schema.ts'
import { ConfigError } from '../errors.ts'
import { parseWithSchema } from '../model/schema/schema-problems.ts'
import { child } from '../values/written-tree.ts'

const NAMES_SHOWN = 20

/**
 * @param file an agent.yml
 * @returns its vaults and names; a variable of the environment counts as set
 * @throws ConfigError if the file, or its `secrets`, cannot be read
 */
export async function secretsOfAgent(file: string): Promise<Vaults> {
  const yaml = new YamlFile(await readText(file, 'an agent.yml'), file)
  const written = child(yaml.tree, 'secrets') ?? {}
  const read = parseWithSchema(secretsSchema, written)
  if ('value' in read) return read.value
  const problems = [...read.unknownKeys, ...read.problems]
  // With the name of the file: the policy is in another one.
  throw new ConfigError(
    problems.map(({ path, message }) => ({ path: yaml.placeAndPath(['secrets', ...path]), message })),
  )
}

/** The names that a policy has been found to read. */
export class NamesRead {
  readonly #names = new Map<string, { vault: string; name: string }>()

  note(vault: string, name: string): void {
    this.#names.set(JSON.stringify([vault, name]), { vault, name })
  }

  /** What a check without agent.yml cannot know; undefined if the policy reads no secret by its name. */
  get remark(): string | undefined {
    if (this.#names.size === 0) return undefined
    const names = Array.from(this.#names.values(), ({ vault, name }) => `${quoted(name)} in the vault ${quoted(vault)}`)
    const more = names.length > NAMES_SHOWN ? `, and ${names.length - NAMES_SHOWN} more` : ''
    return `reads secrets that must be under secrets: in agent.yml: ${names.slice(0, NAMES_SHOWN).join(', ')}${more}; --agent-config agent.yml checks that they are`
  }
}

const NAME_MAX_CHARS = 100

function quoted(name: string): string {
  return printable(JSON.stringify(name.slice(0, NAME_MAX_CHARS)))
}
