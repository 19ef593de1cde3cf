// docs/expressions.md: the variables and functions of expressions, made from the tables of the engine, so that the page always
// agrees with the relay. generate-expressions-doc.ts writes it.

import { ALL_FUNCTIONS } from '../packages/server/src/policy/engine/functions/all-functions.ts'
import { MACRO_FORMS } from '../packages/server/src/policy/engine/tree/check-functions.ts'
import { ALL_PHASES, type Phase } from '../packages/server/src/policy/engine/phase.ts'
import { ACTION_RESULTS } from '../packages/server/src/policy/engine/variables/action-results.ts'
import { CERTIFICATE_EXTENSION } from '../packages/server/src/policy/engine/variables/certificate-extensions.ts'
import { COOKIE } from '../packages/server/src/policy/engine/variables/cookies.ts'
import type { Field, Need, RecordType } from '../packages/server/src/policy/engine/variables/record.ts'
import { ROOTS } from '../packages/server/src/policy/engine/variables/roots.ts'

const INTRODUCTION = `# Expressions

Conditions of policies are expressions of [CEL](https://cel.dev), over the variables and with the functions of ngrok's traffic policies.
Texts of some keys contain expressions as \`\${…}\`. Everything is checked when a policy is loaded: an unknown name, a variable that does not
exist in the phase, and a wrong type are refused, with the place in the expression and the nearest known name.

* **An expression that fails refuses the request.** \`req.headers['x-role'][0] == 'admin'\` fails for every request without that header.
  \`getReqHeader('x-role').exists(v, v == 'admin')\` does not.
* Names of headers are looked up without regard to case. An iteration has them in lower case.
* Some variables are texts with fields: \`req.url.contains('/x')\` and \`req.url.path\` are both possible.
* Regular expressions are those of [RE2](https://github.com/google/re2/wiki/Syntax), whose time is linear in the length of the text. None is made
  from what a visitor or an app sends.
* A variable that needs a file of yours is refused without it, so that a rule never decides about a country that nobody knows.
* The work of an expression is bounded: 16 KiB of text, lists of 10 000 items, texts of 64 KiB, and about a fifth of a second at worst. An
  expression beyond that fails.

In a text, \`\${…}\` becomes the text of its value: a list of texts is joined with \`, \`, other lists and maps become JSON. The value is never read as an
expression again.
`

/** The page as it has to be. */
export function expressionsPage(): string {
  const seen = new Map<string, string>()
  const roots = [...ROOTS].map(([name, { about, record, type, phases, isOfAttempts }]) => {
    const where = isOfAttempts ? 'Only in `retry_condition` of `http-request`.' : `${capital(phaseWords(phases))}.`
    const head = `### \`${name}\`\n\n${capital(about)}. ${where}\n`
    if (name === 'actions') return `${head}\n${resultRows()}\n`
    return record
      ? `${head}\n${table(['variable', 'type', 'meaning'], fieldRows(name, record, seen))}\n`
      : `${head}\nIts type is \`${type}\`.\n`
  })
  return [
    INTRODUCTION,
    '## Variables\n',
    ...roots,
    '### Cookies and extensions\n\nThe items of `req.cookies`, `res.cookies` and `conn.tls.client.extensions`.\n',
    `${table(['field', 'type', 'meaning'], [...fieldRows('cookie', COOKIE), ...fieldRows('extension', CERTIFICATE_EXTENSION)])}\n`,
    '## Functions\n',
    'Beside the operators of CEL, `has(field)`, `type(value)` and `dyn(value)`. These go over lists, and over the keys of maps: ' +
      `${Object.values(MACRO_FORMS)
        .flatMap((forms) => forms.split(' or '))
        .map((form) => `\`list.${form}\``)
        .join(', ')}.\n`,
    `${table(['function', 'result', 'meaning'], functionRows())}\n`,
  ].join('\n')
}

/** @param seen where the fields of a record have been listed; further variables with them refer to it */
function fieldRows(path: string, { fields }: RecordType, seen = new Map<string, string>(), need?: Need): string[][] {
  return [...fields].flatMap(([name, field]) => {
    if (field.refusal !== undefined || field.older !== undefined) return []
    const own = `${path}.${name}`
    const needs = field.needs ?? need
    const { record } = field
    const first = record && seen.get(record.name)
    if (record && first === undefined) seen.set(record.name, own)
    const below = record && first === undefined ? fieldRows(own, record, seen, needs) : []
    if (field.type === '' && first === undefined) return below
    const words = [meaning({ ...field, ...(needs && { needs }) }), first && `fields as \`${first}\``].filter(
      (part) => part,
    )
    return [[`\`${own}\``, field.type === '' ? '' : typeWords(field.type), words.join('; ')], ...below]
  })
}

const NEEDS: Readonly<Record<Need, string>> = {
  city_file: 'needs `geo: { city_file: … }`',
  asn_file: 'needs `geo: { asn_file: … }`',
  ip_lists: 'needs `ip_lists:`',
  region: 'needs `region:`',
}

function meaning({ about, needs, phases }: Field<never>): string {
  return [about, needs && NEEDS[needs], phases && `only ${phaseWords(phases)}`].filter((part) => part).join('; ')
}

function resultRows(): string {
  const rows = Object.entries(ACTION_RESULTS).map(([action, names]) => [
    `\`actions.ngrok.${action}\``,
    names.map((name) => `\`${name}\``).join(', '),
  ])
  return `${table(['result', 'fields'], rows)}\n\n\`actions.sallyport\` is another name of \`actions.ngrok\`. An action that has not run has no fields.`
}

/** Forms of a function that differ only in their types are one row. */
function functionRows(): string[][] {
  const rows = new Map<string, { forms: string[]; result: string; words: string }>()
  for (const { signature, about, phases } of ALL_FUNCTIONS) {
    const [form = '', result = ''] = signature.split(/: (?=[^:]*$)/)
    const words = [about, phases && `only ${phaseWords(phases)}`].filter((part) => part).join('; ')
    const key = [form.replace(/\(.*/, ''), result, words].join('|')
    const row = rows.get(key)
    if (row) row.forms.push(form)
    else rows.set(key, { forms: [form], result, words })
  }
  return Array.from(rows.values(), ({ forms, result, words }) => [
    forms.map((form) => `\`${typeText(form)}\``).join(', '),
    typeWords(result),
    words,
  ])
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function typeWords(type: string): string {
  return `\`${typeText(type)}\``
}

function typeText(type: string): string {
  return type.replaceAll('sallyport.CertificateExtension', 'extension').replaceAll('sallyport.Cookie', 'cookie')
}

function phaseWords(phases: readonly Phase[]): string {
  return phases.length === ALL_PHASES.length
    ? 'in all phases'
    : `in ${phases.map((phase) => `\`${phase}\``).join(' and ')}`
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1)
}
