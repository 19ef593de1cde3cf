// Declares our variables, types and functions to the library, from the tables. This happens once, when the first
// expression is compiled.

import { Environment } from '@marcbachmann/cel-js'

import { ExpressionView, VIEW_NAME } from './expression-view.ts'
import { ALL_FUNCTIONS } from './functions/all-functions.ts'
import { type FunctionDefinition, NAMESPACES } from './functions/define-function.ts'
import { EXPRESSION_MAX_CHARS, NESTING_MAX } from './limits.ts'
import { sortBy } from './tree/sort-by.ts'
import { type Operator, type Tree, operatorOf } from './tree/tree.ts'
import { CERTIFICATE_EXTENSION } from './variables/certificate-extensions.ts'
import { COOKIE } from './variables/cookies.ts'
import { type RecordType, recordNameOf } from './variables/record.ts'
import { ROOTS } from './variables/roots.ts'

export interface Language {
  readonly environment: Environment
  /** Functions by name; methods by name; functions below a namespace, such as `hash.md5`. */
  readonly functions: ReadonlyMap<string, readonly FunctionDefinition[]>
  readonly methods: ReadonlyMap<string, readonly FunctionDefinition[]>
  readonly namespaces: ReadonlyMap<string, ReadonlyMap<string, readonly FunctionDefinition[]>>
  /** The node that passes the view to a function of ours. */
  readonly viewNode: Tree
  readonly inOperator: Operator
  readonly valueOperator: Operator
}

let made: Language | undefined

export function language(): Language {
  return (made ??= makeLanguage())
}

/** The name of a function of ours in the library, which does not allow a built-in function to be replaced. */
export function ownName(name: string): string {
  return `${OWN_PREFIX}${name}`
}

/** Whether a name is one that `ownName()` gives, or that of the view. */
export function isOwnName(name: string): boolean {
  return name.startsWith(OWN_PREFIX)
}

/** A message of the library, with names as people write them in place of our internal ones. */
export function withoutOwnNames(message: string): string {
  return message
    .replaceAll(/sallyport\.View(?:, )?/g, '')
    .replaceAll(OWN_PREFIX, '')
    .replaceAll(/\bsallyport\.(?=[a-z])/g, '')
    .replaceAll(/\bsallyport\.([A-Z]\w*)/g, (_, name: string) => name.toLowerCase())
    .replaceAll('google.protobuf.Timestamp', 'timestamp')
    .replaceAll('google.protobuf.Duration', 'duration')
}

/** The library cannot compare bytes. */
const BYTES_ORDER: readonly (readonly [sign: string, holds: (order: number) => boolean])[] = [
  ['<', (order) => order < 0],
  ['<=', (order) => order <= 0],
  ['>', (order) => order > 0],
  ['>=', (order) => order >= 0],
]
/** Records that appear only in lists and maps. */
const LISTED = [COOKIE, CERTIFICATE_EXTENSION]
const OWN_PREFIX = 'sallyport_'
const VIEW_TYPE = 'sallyport.View'

function makeLanguage(): Language {
  const environment = new Environment({
    // cel-go accepts lists and maps of mixed types by default.
    homogeneousAggregateLiterals: false,
    limits: {
      maxDepth: NESTING_MAX,
      maxAstNodes: EXPRESSION_MAX_CHARS,
      maxListElements: EXPRESSION_MAX_CHARS,
      maxMapEntries: EXPRESSION_MAX_CHARS,
      maxCallArguments: 32,
    },
  })
  environment.registerType(VIEW_TYPE, { ctor: ExpressionView, fields: {} })
  environment.registerVariable(VIEW_NAME, VIEW_TYPE)
  for (const [sign, holds] of BYTES_ORDER) {
    environment.registerOperator(`bytes ${sign} bytes`, (a: Uint8Array, b: Uint8Array) => holds(Buffer.compare(a, b)))
  }
  const types = new Set<string>()
  for (const record of LISTED) registerRecord(environment, types, record)
  for (const [name, { record, type }] of ROOTS) {
    if (record) registerRecord(environment, types, record)
    environment.registerVariable(name, record?.name ?? typeName(type ?? 'dyn'))
  }
  for (const name of NAMESPACES) {
    const Namespace = class {}
    environment.registerType(namespaceType(name), { ctor: Namespace, fields: {} })
    environment.registerConstant(name, namespaceType(name), new Namespace())
  }
  const functions = new Map<string, FunctionDefinition[]>()
  const methods = new Map<string, FunctionDefinition[]>()
  const namespaces = new Map(NAMESPACES.map((name) => [name as string, new Map<string, FunctionDefinition[]>()]))
  for (const definition of ALL_FUNCTIONS) {
    const { of, name } = registerFunction(environment, definition)
    const table = of === undefined ? functions : (namespaces.get(of) ?? methods)
    const same = table.get(name)
    if (same) same.push(definition)
    else table.set(name, [definition])
  }
  // The types of the library do not cover macros that check and evaluate by themselves; tree/tree.ts has their types.
  environment.registerFunction('list.sortBy(ast, ast): list<dyn>', sortBy(VIEW_NAME) as () => never)
  const parsed = (text: string): Tree => environment.parse(text).ast as unknown as Tree // see tree/tree.ts
  return {
    environment,
    functions,
    methods,
    namespaces,
    viewNode: parsed(VIEW_NAME),
    inOperator: operatorOf(parsed('1 in [1]')),
    valueOperator: operatorOf(parsed('1')),
  }
}

function registerRecord(environment: Environment, done: Set<string>, record: RecordType): void {
  if (done.has(record.name)) return
  done.add(record.name)
  const fields: Record<string, string> = {}
  for (const [name, field] of record.fields) {
    if (field.refusal !== undefined) continue
    if (field.record) registerRecord(environment, done, field.record)
    if (field.type !== '') fields[name] = typeName(field.type)
    if (field.record) fields[field.type === '' ? name : recordNameOf(name)] = field.record.name
  }
  environment.registerType(record.name, { ctor: record.View, fields })
}

const SIGNATURE = /^(?:([\w<>]+)\.)?(\w+)\((.*)\): (.+)$/

/** @returns the receiver or namespace in its signature, and its name */
function registerFunction(
  environment: Environment,
  { signature, call }: FunctionDefinition,
): { of: string | undefined; name: string } {
  const [, of, name = '', args = '', returned = ''] = SIGNATURE.exec(signature) ?? []
  const all = [VIEW_TYPE, ...(args === '' ? [] : [args])].join(', ')
  const own = typeName(`${ownName(name)}(${all}): ${returned}`)
  // The library checks that the arguments have the types of the signature.
  const run = call as (...args: unknown[]) => unknown
  if (of === undefined) {
    environment.registerFunction(own, { handler: run, async: false })
  } else if (NAMESPACES.some((each) => each === of)) {
    environment.registerFunction(`${namespaceType(of)}.${own}`, {
      handler: (_: unknown, view: unknown, a: unknown, b: unknown) => run(view, a, b),
      async: false,
    })
  } else {
    environment.registerFunction(`${typeName(of)}.${own}`, {
      handler: (receiver: unknown, view: unknown, a: unknown, b: unknown, c: unknown) => run(view, receiver, a, b, c),
      async: false,
    })
  }
  return { of, name }
}

/** The library does not accept `_` in the type of a receiver. */
function namespaceType(name: string): string {
  return `sallyport.${name.replace('_', '')}`
}

function typeName(written: string): string {
  return written
    .replaceAll(/(?<![\w.])timestamp(?!\w|\()/g, 'google.protobuf.Timestamp')
    .replaceAll(/(?<![\w.])duration(?!\w|\()/g, 'google.protobuf.Duration')
}
