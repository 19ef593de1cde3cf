// Replaces `${NAME}` and `${NAME:default}` in text values by the environment. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from './found-problem.ts'

// `$${` stands for a plain `${`.
const PLACEHOLDER = /\$\$\{|\$\{([^}:]*)(?::([^}]*))?(\})?/g

/**
 * Copies a tree of plain values with all text values expanded; keys stay as they are. A variable that is set but empty
 * counts as missing, so that a secret is never empty by accident.
 */
export function expandEnv(tree: unknown, env: NodeJS.ProcessEnv): { tree: unknown; problems: FoundProblem[] } {
  const problems: FoundProblem[] = []

  const expandText = (text: string, path: ConfigPath): string =>
    text.replace(
      PLACEHOLDER,
      (whole, name: string | undefined, preset: string | undefined, end: string | undefined) => {
        if (whole === '$${') return '${'
        if (!end || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name ?? '')) {
          problems.push({ path, message: `"${whole}" is not a variable; write \${NAME}, or $\${ for a plain \${` })
          return ''
        }
        const value = env[name ?? ''] || preset
        if (value !== undefined) return value
        problems.push({
          path,
          message: `the environment variable ${name} is not set; set it, or write \${${name}:default}`,
        })
        return ''
      },
    )

  const expand = (value: unknown, path: ConfigPath): unknown => {
    if (typeof value === 'string') return expandText(value, path)
    if (Array.isArray(value)) return value.map((element, index) => expand(element, [...path, index]))
    if (typeof value !== 'object' || value === null) return value
    // fromEntries defines keys instead of assigning them, so that not even `__proto__` reaches a prototype.
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, element]) => {
        if (key !== '__proto__') return [[key, expand(element, [...path, key])]]
        problems.push({ path: [...path, key], message: 'cannot be used as a key here; remove it' })
        return []
      }),
    )
  }

  return { tree: expand(tree, []), problems }
}
