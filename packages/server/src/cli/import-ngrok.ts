// `relay policy import-ngrok`: edges of ngrok's API, as JSON, into edges of relay.yml.

import { readFile, stat } from 'node:fs/promises'

import { printable } from '@sallyport/protocol'
import { YamlFile } from '@sallyport/protocol/yaml-file'

import { whyUnreadable } from '../config/why-unreadable.ts'
import { ConfigError } from '../errors.ts'
import { loadLanguage } from '../policy/language.ts'
import { readAccount } from './import/account.ts'
import type { Account } from './import/account.ts'
import { importEdge } from './import/import-edge.ts'
import type { Edge } from './import/import-edge.ts'
import { Notes } from './import/notes.ts'
import { printEdges } from './import/print-edges.ts'
import { problemsOfEdges } from './import/trial.ts'
import { Written } from './import/written.ts'

export interface ImportNgrokOptions {
  json?: boolean
}

const FILE_MAX_BYTES = 8 * 1024 * 1024

/**
 * Prints the edges on standard output, and everything that was left out on standard error.
 * The exit code is 1 if something was left out.
 * @throws ConfigError if a file cannot be read, or no file has an edge
 */
export async function importNgrok(files: readonly string[], { json }: ImportNgrokOptions): Promise<void> {
  const documents = await Promise.all(files.map(async (file) => Written.of(new YamlFile(await readText(file), file))))
  await loadLanguage()
  const account = readAccount(documents)
  if (account.edges.length === 0) {
    const message = 'This file has no HTTPS edge. Save the answer of ngrok’s API at /edges/https or /edges/https/ID.'
    throw new ConfigError([{ path: files.join(', '), message }])
  }
  const notes = new Notes()
  const root: Record<string, unknown> = {}
  const kept = importEdges(account, notes, root)
  const { authorities, ipPolicies } = account
  Object.assign(root, namedBy(kept, 'certificate_authorities', authorities), namedBy(kept, 'ip_policies', ipPolicies), {
    edges: kept,
  })
  if (notes.leftOut.length > 0) process.exitCode = 1
  if (json) return console.log(JSON.stringify(forPrograms(root, notes), undefined, 2))
  console.log(printEdges(root, notes).trimEnd())
  tell(notes)
}

/** Single rules have been tried before. Hosts, paths, backends and conflicts among edges are tried here. */
function importEdges(account: Account, notes: Notes, root: object): Edge[] {
  const kept: Edge[] = []
  for (const written of account.edges) {
    const edge = importEdge(written, account, notes, root)
    const problems = edge ? problemsOfEdges([...kept, edge], account) : []
    const reasons = problems.map(({ path, message }) => `${path.slice(2).map(String).join('.')} ${message}`)
    if (problems.length > 0) notes.leaveOut(written, `the whole edge: ${reasons.join('; ')}`, root)
    else if (edge) kept.push(edge)
  }
  return kept
}

/** The entries of a key of relay.yml whose ids the edges name. */
function namedBy(edges: readonly Edge[], key: string, entries: ReadonlyMap<string, unknown>): object {
  const text = JSON.stringify(edges)
  const named = [...entries].filter(([id]) => text.includes(JSON.stringify(id)))
  return named.length === 0 ? {} : { [key]: Object.fromEntries(named) }
}

function forPrograms(root: object, { leftOut, variables }: Notes): object {
  return {
    ...root,
    left_out: leftOut.map(({ part, message, closes }) => ({ ...part.position, path: part.path, message, closes })),
    variables: Object.fromEntries(variables),
  }
}

function tell({ leftOut, variables }: Notes): void {
  for (const { part, message, closes } of leftOut) {
    const effect = closes ? 'left out, and nobody passes there until you write a replacement' : 'left out'
    console.error(printable(`${part.place}: ${effect}: ${message}`))
  }
  for (const [name, meaning] of variables) console.error(printable(`Set the variable ${name}: ${meaning}.`))
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > FILE_MAX_BYTES)
      throw new ConfigError([{ path: file, message: 'is too large for an answer of ngrok’s API' }])
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([{ path: file, message: whyUnreadable(file, error) }], { cause: error })
  }
}
