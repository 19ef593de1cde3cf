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

Conditions of policies are expressions of [CEL](https://cel.dev), with the variables and functions of ngrok's traffic policies. Some keys of
actions take texts with expressions as \`\${…}\`. The relay checks all expressions when it loads a policy. It refuses an unknown name, a variable
that does not exist in the phase, and a wrong type, and says where in the expression the problem is and which known name is the most similar.

* **If an expression fails, the request is refused.** \`req.headers['x-role'][0] == 'admin'\` fails for every request without that header.
  \`getReqHeader('x-role').exists(v, v == 'admin')\` does not fail.
* The case of header names does not matter, and \`X_Role\` is \`x-role\`. When you iterate over headers, their names are in lower case.
* \`req.headers\` has the headers that the app gets: a visitor’s \`X-Forwarded-For\` and \`Sallyport-…\` are not among them.
* Some variables are texts that also have fields: \`req.url.contains('/x')\` and \`req.url.path\` are both possible.
* Regular expressions are those of [RE2](https://github.com/google/re2/wiki/Syntax), so the time that they take is linear in the length of the
  text. A text from a visitor or an app cannot become a regular expression.
* Some variables need a file of yours. Without the file, the relay refuses a policy that uses them, so a rule never decides by an unknown country.
* The work of an expression is bounded: 16 KiB of text, lists of 10 000 items, texts of 64 KiB, and about a fifth of a second at worst. An
  expression that exceeds a bound fails.

In a text, the value of an expression replaces \`\${…}\`: a list of texts is joined with \`, \`, and other lists and maps become JSON. The relay never
reads an inserted value as an expression again.
`

/** The text of the page. */
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
    'CEL has its operators, `has(field)`, `type(value)` and `dyn(value)`. These macros iterate over the items of a list, or over the keys of a map: ' +
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
  blocklist: 'needs `ip_lists: { blocklist: … }`',
  tor: 'needs `ip_lists: { tor: … }`',
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
