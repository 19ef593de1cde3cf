// Edges as YAML for relay.yml, with the comments of an import above the parts that they are about. Pure.

import type { Notes } from './notes.ts'

/** @param root its keys are those of relay.yml */
export function printEdges(root: object, notes: Notes): string {
  const head = [
    'From ngrok’s API, by "relay policy import-ngrok". Paste it into relay.yml, and see "relay check".',
    ...Array.from(notes.variables, ([name, meaning]) => `Set the variable ${name}: ${meaning}.`),
    ...notes.commentsOn(root),
  ]
  return [...head.map(asComment), ...lines(root, notes)].join('\n')
}

/** The lines of a block, without indentation. */
function lines(value: object, notes: Notes): string[] {
  if (Array.isArray(value)) return value.flatMap((item: unknown) => itemLines(item, notes))
  return Object.entries(value).flatMap(([key, each]) => {
    const name = scalar(key)
    if (!isBlock(each)) return `${name}: ${isPem(each) ? pem(each) : scalar(each)}`.split('\n')
    return [`${name}:`, ...lines(each, notes).map((line) => `  ${line}`)]
  })
}

function itemLines(item: unknown, notes: Notes): string[] {
  if (!isBlock(item)) return [`- ${scalar(item)}`]
  const [first = '', ...others] = lines(item, notes)
  return [...notes.commentsOn(item).map(asComment), `- ${first}`, ...others.map((line) => `  ${line}`)]
}

function isBlock(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}

/** Plain only if no version of YAML could read something else; a text of JSON is one of YAML, too. */
function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'null'
  const isPlain = /^[A-Za-z_/][\w./-]*$/.test(value) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(value)
  return isPlain ? value : JSON.stringify(value)
}

function isPem(value: unknown): value is string {
  return typeof value === 'string' && /^-----BEGIN [A-Z ]+-----\n[\w+/=\n -]+\n?$/.test(value)
}

function pem(text: string): string {
  return [
    '|',
    ...text
      .trimEnd()
      .split('\n')
      .map((line) => `  ${line}`),
  ].join('\n')
}

/** Makes one line: text that is quoted from the file must not end the comment. */
function asComment(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return `# ${text.replaceAll(/[\s\x00-\x1f\x7f\x85\u2028\u2029]+/g, ' ')}`
}
