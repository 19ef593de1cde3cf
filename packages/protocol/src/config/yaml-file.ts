// A file in YAML: text → plain values, and path → line and column, so that a problem can be found in the file.
// Pure: no I/O, no clock.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import type { YAMLError } from 'yaml'

import { ConfigError } from './config-error.ts'
import type { ConfigProblem } from './config-error.ts'
import { WANTS_QUOTES } from './found-problem.ts'
import type { ConfigPath, FoundProblem } from './found-problem.ts'

const KEY_MAX_CHARS = 80 // a whole list can be a key

export class YamlFile {
  /** Plain values: objects, arrays, texts, numbers, booleans, null. */
  readonly tree: unknown
  readonly #source: string
  readonly #root: unknown
  readonly #lines: LineCounter

  /**
   * @param source what people call the file
   * @throws ConfigError if the text is not YAML
   */
  constructor(text: string, source: string) {
    const lines = new LineCounter()
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
    const faults = faultsIn(document)
    if (faults.length > 0) {
      throw new ConfigError(faults.map((fault) => ({ path: source, message: explain(fault, document, lines) })))
    }
    const endless = endlessIn(document)
    if (endless) {
      const message = `line ${lines.linePos(endless.offset).line}: ${endless.problem}`
      throw new ConfigError([{ path: source, message }])
    }
    try {
      this.tree = document.toJS({ maxAliasCount: 100 }) ?? {}
    } catch (error) {
      throw new ConfigError([{ path: source, message: error instanceof Error ? error.message : String(error) }], {
        cause: error,
      })
    }
    this.#source = source
    this.#root = document.contents
    this.#lines = lines
  }

  /** Puts the path into words and adds its line. */
  located({ path, message }: FoundProblem): ConfigProblem {
    const { offset, written } = this.#find(path)
    // As it is written in the file, to the last digit: 007 and 0x7 are read as the number 7, and a long number is cut short.
    const whole = message === WANTS_QUOTES && written !== undefined ? `${message}: "${written}"` : message
    const place = offset === undefined ? '' : ` (line ${this.#lines.linePos(offset).line})`
    return { path: formatPath(path) || this.#source, message: `${whole}${place}` }
  }

  /**
   * The place of a value: `policy.yaml:7:15`, from line and column 1. For a missing value, the nearest place around it.
   */
  placeOf(path: ConfigPath): string {
    const position = this.positionOf(path)
    return position ? `${this.#source}:${position.line}:${position.column}` : this.#source
  }

  /** The same with the path: `policy.yaml:7:15 on_http_request[0].actions[0].type`. */
  placeAndPath(path: ConfigPath): string {
    return [this.placeOf(path), formatPath(path)].filter((part) => part !== '').join(' ')
  }

  /** The same in numbers; undefined if no part of the path is in the file. */
  positionOf(path: ConfigPath): { line: number; column: number } | undefined {
    const { offset } = this.#find(path)
    if (offset === undefined) return undefined
    const { line, col } = this.#lines.linePos(offset)
    return { line, column: col }
  }

  /**
   * The start of the key or the list entry; for a missing one, of the nearest around it. And the text there, if that is
   * a plain scalar.
   */
  #find(path: ConfigPath): { offset: number | undefined; written: string | undefined } {
    let node = this.#root
    let offset: number | undefined
    let found = true
    for (const step of path) {
      if (isMap(node)) {
        // A key that is missing, as in `: x`, is the empty one in `tree`; a list or map that is a key is its text there.
        const pair =
          node.items.find(({ key }) => isScalar(key) && keyName(key.value) === String(step)) ??
          node.items.find(({ key }) => isMap(key) || isSeq(key))
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
    return { offset, written: found && isScalar(node) && node.type === 'PLAIN' ? node.source : undefined }
  }
}

/** Most problems after the first text that the parser cannot read have the same cause: only the first is reported. */
function faultsIn({ errors, warnings }: Document): YAMLError[] {
  const first = errors.find(isUnclosed) ?? errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  // A warning (an unknown tag, for instance) means that a value differs from the text in the file.
  return first ? [first] : [...errors, ...warnings]
}

/** Of nodes, two for each key. Every reader of the values recurses, and no configuration is nearly that deep. */
const DEPTH_MAX = 200

/** The first value that no reader would come to the end of: it is nested too deep, or an alias in it means the value itself. */
function endlessIn(document: Document): { offset: number; problem: string } | undefined {
  let found: { offset: number; problem: string } | undefined
  visit(document, (_, node, path) => {
    if (path.length > DEPTH_MAX) found = { offset: startOf(node) ?? 0, problem: TOO_DEEP }
    else if (isAlias(node) && isInside(node, path, document)) {
      found = {
        offset: startOf(node) ?? 0,
        problem: `*${node.source} is inside of &${node.source} itself; write its value`,
      }
    }
    return found && visit.BREAK
  })
  return found
}

/** To resolve an alias walks through the whole file, so that comes last. */
function isInside(alias: Alias, path: readonly unknown[], document: Document): boolean {
  return path.some(
    (each) => isNode(each) && 'anchor' in each && each.anchor === alias.source && each === alias.resolve(document),
  )
}

const TOO_DEEP = 'the values here are nested too deep; use fewer levels'

/**
 * Of `[` or `{`, the innermost first. The parser reads the text after it as if it were inside, and finds it wrong
 * first.
 */
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
  if (fault.message.startsWith('Maximum call stack size')) return `line ${line}: ${TOO_DEEP}`
  return `line ${line}: ${PLAINER[fault.code] ?? fault.message}`
}

/** Plain words for messages of the parser that only readers of the YAML specification understand. */
const PLAINER: Partial<Record<YAMLError['code'], string>> = {
  BLOCK_AS_IMPLICIT_KEY:
    'a second ": " in one line, or a line below that is indented too far; put a value with ": " in it in quotes',
  DUPLICATE_KEY: 'this key is there already; keep one of the two',
  TAB_AS_INDENT: 'a tab; indent with spaces',
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0] // every parsed node has a range
}

/** For instance `edges[0].hosts[1]`; nothing for the whole file. */
export function formatPath(path: ConfigPath): string {
  let written = ''
  for (const step of path) {
    if (typeof step === 'number') written += `[${step}]`
    else if (/^[\w-]+$/.test(String(step))) written += written ? `.${String(step)}` : String(step)
    else written += `[${JSON.stringify(shortened(String(step)))}]`
  }
  return written
}

function shortened(key: string): string {
  return key.length > KEY_MAX_CHARS ? `${key.slice(0, KEY_MAX_CHARS)}…` : key
}

/** As the tree names it. */
function keyName(value: unknown): string {
  return value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value)
}
