// The YAML side of relay.yml: text → plain values, and path → line, so that a problem can be found in the file.
// Pure: no I/O, no clock.

import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'

import { ConfigError, type ConfigProblem } from '../errors.ts'
import type { ConfigPath, FoundProblem } from './expand-env.ts'

export class YamlFile {
  /** Plain values: objects, arrays, texts, numbers, booleans, null. */
  readonly tree: unknown
  readonly #root: unknown
  readonly #lines: LineCounter

  /** @throws ConfigError where the text is not YAML */
  constructor(text: string, source: string) {
    const lines = new LineCounter()
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
    // A warning (an unknown tag, for instance) means that a value is not what was written.
    const faults = [...document.errors, ...document.warnings]
    if (faults.length > 0) {
      throw new ConfigError(
        faults.map(({ message, pos }) => ({ path: source, message: `line ${lines.linePos(pos[0]).line}: ${message}` })),
      )
    }
    try {
      this.tree = document.toJS({ maxAliasCount: 100 }) ?? {}
    } catch (error) {
      throw new ConfigError([{ path: source, message: error instanceof Error ? error.message : String(error) }], {
        cause: error,
      })
    }
    this.#root = document.contents
    this.#lines = lines
  }

  /** Puts the path into words and adds the line it is found in. */
  located({ path, message }: FoundProblem): ConfigProblem {
    const line = this.#lineOf(path)
    return { path: formatPath(path), message: line === undefined ? message : `${message} (line ${line})` }
  }

  /** The line of the key or list entry; of the nearest one around it where it is missing. */
  #lineOf(path: ConfigPath): number | undefined {
    let node = this.#root
    let offset: number | undefined
    for (const step of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
        if (!pair) break
        offset = startOf(pair.key) ?? offset
        node = pair.value
      } else if (isSeq(node) && typeof step === 'number') {
        node = node.items[step]
        offset = startOf(node) ?? offset
      } else {
        break
      }
      if (isAlias(node)) break
    }
    return offset === undefined ? undefined : this.#lines.linePos(offset).line
  }
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0] // every parsed node has a range
}

function formatPath(path: ConfigPath): string {
  let written = ''
  for (const step of path) {
    if (typeof step === 'number') written += `[${step}]`
    else if (/^[\w-]+$/.test(String(step))) written += written ? `.${String(step)}` : String(step)
    else written += `[${JSON.stringify(String(step))}]`
  }
  return written || 'relay.yml'
}
