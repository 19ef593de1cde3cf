// Checks that variables exist in this phase. If a text has fields, a select of a field is renamed in place so that it
// reads the record (section 5 of the reference). Runs after parsing and before the type check.

import { normalHeaderName } from '../../../values/normal-header-name.ts'
import { didYouMean } from '../../../values/did-you-mean.ts'
import { UnfitExpression, shownName } from '../expression-problem.ts'
import { phaseWords } from '../phase.ts'
import { ACTION_RESULTS } from '../variables/action-results.ts'
import { type Field, type RecordType, recordNameOf } from '../variables/record.ts'
import { ROOTS, type Root } from '../variables/roots.ts'
import { renewName } from './older-names.ts'
import { type Select, selectsOf } from './selects.ts'
import type { IndexArgs, SelectArgs, Tree } from './tree.ts'
import type { Walk } from './walk.ts'

/** Words from other languages and from wrong examples in ngrok's docs, each with the variable that is meant. */
const MEANT: Readonly<Record<string, string>> = {
  request: 'req',
  response: 'res',
  connection: 'conn',
  client: 'conn',
  action: 'actions',
  var: 'vars',
  variables: 'vars',
  headers: 'req.headers',
  method: 'req.method',
  path: 'req.url.path',
  url: 'req.url',
  host: 'req.host',
  now: 'time.now',
  'req.path': 'req.url.path',
  'req.query': 'req.url.query',
  'req.params': 'req.url.query_params',
  'req.query_params': 'req.url.query_params',
  'req.uri': 'req.url.uri',
  'req.raw': 'req.url.raw',
  'req.ip': 'conn.client_ip',
  'req.client_ip': 'conn.client_ip',
  'req.remote_addr': 'conn.client_ip',
  'req.header': 'req.headers',
  'req.protocol': 'req.url.scheme',
  'res.status': 'res.status_code',
  'res.code': 'res.status_code',
  'conn.ip': 'conn.client_ip',
}

/** Names that are types: `type(x) == string`. */
const TYPE_NAMES = new Set([
  'bool',
  'bytes',
  'double',
  'google',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'type',
  'uint',
])

/**
 * Checks a name.
 * @returns whether it is a record, which cannot be indexed
 * @throws UnfitExpression
 */
export function checkName(node: Tree, walk: Walk): boolean {
  const root = rootOf(node, walk)
  if (root) walk.found.reads.add(String(node.args))
  return root?.record !== undefined
}

function rootOf(node: Tree, { names, settings, language }: Walk): Root | undefined {
  const name = node.args as string // of an identifier
  if (names.has(name) || TYPE_NAMES.has(name)) return undefined
  const root = ROOTS.get(name)
  if (!root || (root.isOfAttempts && !settings.hasAttempts)) {
    if (language.namespaces.has(name)) {
      const [example = ''] = language.namespaces.get(name)?.keys() ?? []
      throw new UnfitExpression(`${name} is not a value; call a function of it, such as ${name}.${example}(…)`, node)
    }
    const here = [...ROOTS].filter(([, each]) => !each.isOfAttempts && each.phases.includes(settings.phase))
    throw new UnfitExpression(
      `there is no variable ${shownName(name)}${hint(MEANT[name], name, new Map(here).keys())}`,
      node,
    )
  }
  if (!root.phases.includes(settings.phase)) {
    throw new UnfitExpression(`${name} exists in ${phaseWords(root.phases)} only`, node)
  }
  return root
}

/**
 * Checks a chain of selects that begins with a name.
 * @param node the outermost select
 * @returns whether it ends at a record, which cannot be indexed
 * @throws UnfitExpression
 */
export function checkPath(node: Tree, walk: Walk): boolean {
  const written = selectsOf(node)
  const renewed = walk.names.has(String(written.base.args)) ? undefined : renewName(written.base, written.selects)
  if (renewed) {
    const message = `${renewed.older} is an older name; write ${renewed.today}`
    walk.found.warnings.push({ message, start: node.start, end: node.end })
  }
  const { base, selects } = renewed ? selectsOf(node) : written
  const root = rootOf(base, walk)
  return root !== undefined && followPath(String(base.args), root.record, selects, walk)
}

function followPath(root: string, of: RecordType | undefined, selects: readonly Select[], walk: Walk): boolean {
  const { reads, warnings, costs } = walk.found
  let path = root
  let units = 0
  let record = of
  for (const [at, select] of selects.entries()) {
    if (!record) {
      checkBelow(path, select)
      if (isHeaders(path)) costs.set(select.node, UNITS_OF_A_HEADER)
      reads.add(`${path}.${isHeaders(path) ? normalHeaderName(select.name) : select.name}`)
      return false
    }
    const field = fieldOf(record, path, select, walk)
    if (field.older !== undefined) {
      const message = `${path}.${select.name} is an older name; write ${field.older}`
      warnings.push({ message, start: select.node.start, end: select.node.end })
    }
    path = field.older ?? `${path}.${select.name}`
    units += field.units ?? 0
    if (units > 0) costs.set(select.node, units)
    if (at > 0) costs.delete(selects[at - 1]!.node) // its units are among these
    const goesOn = field.record !== undefined && selects[at + 1] !== undefined
    if (goesOn && field.read) rename(select.node, recordNameOf(select.name))
    // At the end of a chain, a text with fields means the text itself.
    record = goesOn || !field.read ? field.record : undefined
  }
  reads.add(path)
  return record !== undefined
}

/** A look-up scans the lines of the head. */
export const UNITS_OF_A_HEADER = 40

function isHeaders(path: string): boolean {
  return path.endsWith('.headers') || path.endsWith('.trailers')
}

function fieldOf(record: RecordType, path: string, { node, name }: Select, { settings, found }: Walk): Field<never> {
  const field = record.fields.get(name)
  const place = placeOf(node)
  if (!field) {
    const meant = MEANT[`${path}.${name}`]
    const shown = [...record.fields].filter(([, { older }]) => older === undefined).map(([each]) => each)
    throw new UnfitExpression(
      `there is no variable ${path}.${shownName(name)}${hint(meant, name, shown, `${path}.`)}`,
      place,
    )
  }
  if (field.refusal !== undefined) throw new UnfitExpression(field.refusal, place)
  if (field.needs) found.demands.push({ need: field.needs, path: `${path}.${name}`, ...place })
  if (field.phases && !field.phases.includes(settings.phase)) {
    throw new UnfitExpression(`${path}.${name} exists in ${phaseWords(field.phases)} only`, place)
  }
  return field
}

/** Checks the first name below the results of an action; the names below it are not known in advance. */
function checkBelow(path: string, { node, name }: Select): void {
  const [, action] = /^actions\.(?:ngrok|sallyport)\.(\w+)$/.exec(path) ?? []
  const names: readonly string[] | undefined = ACTION_RESULTS[action as keyof typeof ACTION_RESULTS] // or undefined
  if (!names || names.includes(name)) return
  throw new UnfitExpression(
    `there is no variable ${path}.${shownName(name)}${hint(undefined, name, names, `${path}.`)}`,
    placeOf(node),
  )
}

/** The place of the name itself. The library knows only the place of the whole chain. */
function placeOf(node: Tree): { start: number; end: number } {
  if (node.op !== '.') return (node.args as IndexArgs)[1]
  return { start: node.end - (node.args as SelectArgs)[1].length, end: node.end }
}

function rename(node: Tree, name: string): void {
  if (node.op === '.') (node.args as SelectArgs)[1] = name
  else (node.args as IndexArgs)[1].args = name
}

/** `; did you mean …?`, or the list of all names. */
export function hint(meant: string | undefined, written: string, known: Iterable<string>, before = ''): string {
  const all = [...known]
  const nearest = didYouMean(written, all)
  const word = meant ?? (nearest === undefined ? undefined : `${before}${nearest}`)
  if (word !== undefined) return `; did you mean ${word}?`
  return all.length <= SHOWN_MAX ? `; there are ${all.join(', ')}` : ''
}

const SHOWN_MAX = 24
