// The YAML side of relay.yml: text → plain values, and path → line, so that a problem can be found in the file.
// Pure: no I/O, no clock.

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { YAMLError } from 'yaml'

import { ConfigError, type ConfigProblem } from '../errors.ts'
import type { ConfigPath, FoundProblem } from '../values/found-problem.ts'
import { WANTS_QUOTES } from '../model/schema-problems.ts'

export class YamlFile {
  /** Plain values: objects, arrays, texts, numbers, booleans, null. */
  readonly tree: unknown
  readonly #root: unknown
  readonly #lines: LineCounter

  /** @throws ConfigError where the text is not YAML */
  constructor(text: string, source: string) {
    const lines = new LineCounter()
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
    const faults = faultsIn(document)
    if (faults.length > 0) {
      throw new ConfigError(faults.map((fault) => ({ path: source, message: explain(fault, document, lines) })))
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
    const { line, written } = this.#find(path)
    // As it stands in the file, to the last digit: 007 and 0x7 are read as the number 7, and a long one is cut short.
    const whole = message === WANTS_QUOTES && written !== undefined ? `${message}: "${written}"` : message
    return { path: formatPath(path), message: line === undefined ? whole : `${whole} (line ${line})` }
  }

  /**
   * The line of the key or list entry; of the nearest one around it where it is missing. And what stands there, where it
   * is a plain scalar.
   */
  #find(path: ConfigPath): { line: number | undefined; written: string | undefined } {
    let node = this.#root
    let offset: number | undefined
    let found = true
    for (const step of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
        if (!pair) {
          found = false
          break
        }
        offset = startOf(pair.key) ?? offset
        node = pair.value
      } else if (isSeq(node) && typeof step === 'number') {
        node = node.items[step]
        offset = startOf(node) ?? offset
      } else {
        found = false
        break
      }
      if (isAlias(node)) break
    }
    return {
      line: offset === undefined ? undefined : this.#lines.linePos(offset).line,
      written: found && isScalar(node) && node.type === 'PLAIN' ? node.source : undefined,
    }
  }
}

/** After what the parser cannot make sense of, most of what it finds has the same cause: it is told alone. */
function faultsIn({ errors, warnings }: Document): YAMLError[] {
  const first = errors.find(isUnclosed) ?? errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  // A warning (an unknown tag, for instance) means that a value is not what was written.
  return first ? [first] : [...errors, ...warnings]
}

/** Of `[` or `{`, the innermost first. Whatever follows is read as if it were inside, and found wrong before. */
function isUnclosed({ code, message }: YAMLError): boolean {
  return (code === 'BAD_INDENT' || code === 'MISSING_CHAR') && message.startsWith('Flow ')
}

function explain(fault: YAMLError, document: Document, lines: LineCounter): string {
  const lineOf = (offset: number): number => lines.linePos(offset).line
  const line = lineOf(fault.pos[0])
  if (isUnclosed(fault)) {
    let opened: number | undefined
    visit(document, {
      Collection(_, { flow, range }) {
        if (flow && range?.[1] === fault.pos[0]) opened = range[0]
      },
    })
    const [open, close] = fault.message.endsWith(']') ? ['[', ']'] : ['{', '}']
    if (opened !== undefined) {
      return `line ${lineOf(opened)}: the ${open} here is still open at line ${line}; a ${close} is missing`
    }
  }
  return `line ${line}: ${PLAINER[fault.code] ?? fault.message}`
}

/** Where the words of the parser are for those who know how YAML is made. */
const PLAINER: Partial<Record<YAMLError['code'], string>> = {
  BLOCK_AS_IMPLICIT_KEY:
    'a second ": " in one line, or a line below that is indented too far; put a value with ": " in it in quotes',
  DUPLICATE_KEY: 'this key is there already; keep one of the two',
  TAB_AS_INDENT: 'a tab; indent with spaces',
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
