// Replaces `${NAME}` and `${NAME:default}` in text values by the environment, in relay.yml and in files of policies.
// Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from './found-problem.ts'

// `$${` means a plain `${`.
const PLACEHOLDER = /\$\$\{|\$\{([^}:]*)(?::([^}]*))?(\})?/g

const POLICY_PLACEHOLDER = /\$\{([A-Z_][A-Z0-9_]*)(?::([^}]*))?\}/g
/** Keys of a policy whose whole texts are expressions. */
const EXPRESSIONS: ReadonlySet<PropertyKey> = new Set(['expressions', 'bucket_key', 'retry_condition'])

export type Environment = Readonly<Record<string, string | undefined>>

export interface Expanded {
  tree: unknown
  problems: FoundProblem[]
}

type ExpandText = (text: string, path: ConfigPath) => string

/**
 * Copies a tree of plain values with all text values expanded; keys stay unchanged. A variable that is set but empty
 * counts as missing, so that a secret is never empty by accident.
 * @param isTemplate whether `${…}` in the text at a path is an expression, unless it is a name in capitals; `checked` if `$${` still
 * means a plain `${` there
 */
export function expandEnv(
  tree: unknown,
  env: Environment,
  isTemplate: (path: ConfigPath) => boolean | 'checked' = () => false,
): Expanded {
  const problems: FoundProblem[] = []
  const expandText: ExpandText = (text, path) => {
    const kind = text.includes('${') && isTemplate(path)
    if (kind) {
      const plain = kind === 'checked' ? text.replaceAll('$${', () => asLiteral('${')) : text
      return expandVariables(plain, path, env, problems, asLiteral)
    }
    return text.replace(
      PLACEHOLDER,
      (whole, name: string | undefined, preset: string | undefined, end: string | undefined) => {
        if (whole === '$${') return '${'
        if (!end || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name ?? '')) {
          problems.push({ path, message: `"${whole}" is not a variable; write \${NAME}, or $\${ for a plain \${` })
          return ''
        }
        const value = env[name ?? ''] || preset
        if (value === undefined) problems.push({ path, message: notSet(name ?? '') })
        return value ?? ''
      },
    )
  }
  return { tree: expand(tree, [], expandText, problems), problems }
}

/**
 * The same for a policy in a file of its own, in which `${…}` is an expression: only names in capitals are variables,
 * as no expression begins with one, and a value that is an expression as a whole is left unchanged. The value of a
 * variable is a text, never an expression: a value that could be read as one is a problem.
 */
export function expandPolicyEnv(tree: unknown, env: Environment): Expanded {
  const problems: FoundProblem[] = []
  const expandText: ExpandText = (text, path) => {
    if (path.some((step) => EXPRESSIONS.has(step))) return text
    return expandVariables(text, path, env, problems, refuseExpression)
  }
  return { tree: expand(tree, [], expandText, problems), problems }
}

/** @param insert how a value with an expression in it is inserted; undefined if it cannot be */
function expandVariables(
  text: string,
  path: ConfigPath,
  env: Environment,
  problems: FoundProblem[],
  insert: (value: string) => string | undefined,
): string {
  return text.replace(POLICY_PLACEHOLDER, (whole, name: string, preset: string | undefined, at: number) => {
    const value = env[name] || preset
    const opens = value?.endsWith('$') && text[at + whole.length] === '{'
    if (value === undefined) problems.push({ path, message: notSet(name) })
    else if (value.includes('${') || opens) {
      const inserted = insert(opens ? `${value}{` : value)
      if (inserted !== undefined) return opens ? inserted.slice(0, -1) : inserted
      const message = `the environment variable ${name} contains \${, which would be read as an expression; change it`
      problems.push({ path, message })
    } else return value
    return ''
  })
}

function refuseExpression(): undefined {
  return undefined
}

/** The text as a template that gives it back: no value is read as an expression. */
export function asLiteral(text: string): string {
  return text.replaceAll('${', () => "${'$'}{")
}

function notSet(name: string): string {
  return `the environment variable ${name} is not set; set it, or write \${${name}:default}`
}

function expand(value: unknown, path: ConfigPath, expandText: ExpandText, problems: FoundProblem[]): unknown {
  if (typeof value === 'string') return expandText(value, path)
  if (Array.isArray(value))
    return value.map((element, index) => expand(element, [...path, index], expandText, problems))
  if (typeof value !== 'object' || value === null) return value
  // fromEntries defines keys instead of assigning them, so that not even `__proto__` reaches a prototype.
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, element]) => {
      if (key !== '__proto__') return [[key, expand(element, [...path, key], expandText, problems)]]
      problems.push({ path: [...path, key], message: 'cannot be used as a key here; remove it' })
      return []
    }),
  )
}
