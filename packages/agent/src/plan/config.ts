// The configuration file agent.yml and the environment, below the flags. Nothing here is fatal one by one:
// all problems of the file are reported at once, with the right key for a misspelt one.

import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { ConfigError } from '@sallyport/protocol/config-error'
import type { ConfigProblem } from '@sallyport/protocol/config-error'
import { parseDocument } from 'yaml'
import type { z } from 'zod'

import { keysIn } from './config-keys.ts'
import { configSchema } from './config-schema.ts'
import type { ConfigFile } from './config-schema.ts'
import { explainNgrokKey, explainNgrokValue } from './ngrok-keys.ts'
import type { Environment } from './proxy.ts'

/**
 * The path of the file: the given one, or agent.yml in the user's configuration folder; undefined if the user has no
 * home.
 */
export function findConfigPath(told: string | undefined, environment: Environment): string | undefined {
  const path = told ?? environment['SALLYPORT_CONFIG']
  if (path) return path
  // XDG Base Directory: an empty variable counts as unset.
  const folder = environment['XDG_CONFIG_HOME'] || homeConfigFolder()
  return folder && join(folder, 'sallyport', 'agent.yml')
}

/**
 * The same if the file is needed.
 * @throws ConfigError if the user has no home
 */
export function configPath(told: string | undefined, environment: Environment): string {
  const path = findConfigPath(told, environment)
  if (path !== undefined) return path
  const message = 'This user has no home folder. Say where the file is: --config FILE, or SALLYPORT_CONFIG.'
  throw new ConfigError([{ path: '--config', message }])
}

function homeConfigFolder(): string | undefined {
  try {
    const home = homedir() // HOME unchanged, even if it is empty
    return home === '' ? undefined : join(home, '.config')
  } catch {
    return undefined // neither HOME nor an entry in the list of users, as in many containers
  }
}

/**
 * Reads and checks the file.
 * @param required whether a missing file is a problem: it is if a person named it
 * @throws ConfigError with all problems
 */
export function readConfig(path: string, required: boolean): ConfigFile {
  const text = readText(path, required)
  return text === undefined ? {} : parseConfig(text, path)
}

/**
 * Reads the file at the usual place, if it exists. An unreachable one counts as missing: the flags may be enough.
 * @returns also a sentence about a file that may exist but could not be read
 */
export function readOptionalConfig(path: string | undefined): { file: ConfigFile; problem?: string } {
  if (path === undefined) return { file: {} }
  try {
    return { file: readConfig(path, false) }
  } catch (error) {
    const { code = '' } = ((error as ConfigError).cause as NodeJS.ErrnoException | undefined) ?? {} // readText() sets it
    if (!UNREACHABLE.has(code)) throw error
    return { file: {}, problem: `${path} cannot be read (${code}); continuing without it.` }
  }
}

/** The errors of node:fs for an unreachable file: HOME=/dev/null, or another user's home. */
const UNREACHABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'])

/** Says so if other users can read the authtoken or secrets in the file. The command that writes the file prevents that. */
export function exposureProblem({ authtoken, secrets }: ConfigFile, path: string): string | undefined {
  if ((authtoken === undefined && secrets === undefined) || process.platform === 'win32') return undefined
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
  return (mode & 0o077) === 0
    ? undefined
    : `Others on this machine can read the ${authtoken === undefined ? 'secrets' : 'authtoken'} in it: chmod 600 ${path}`
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'There is no such file.',
  EISDIR: 'This is a folder. Name the file in it.',
  EACCES: 'This user may not read the file. Change its owner or mode.',
}

/** The file's text, or undefined if it does not exist and is not needed. */
export function readText(path: string, required: boolean): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // node:fs throws nothing else
    if (code === 'ENOENT' && !required) return undefined
    throw new ConfigError([{ path, message: UNREADABLE[code ?? ''] ?? `The file cannot be read (${code}).` }], {
      cause: error,
    })
  }
}

/** Checks the text of agent.yml. */
export function parseConfig(text: string, path: string): ConfigFile {
  const document = parseDocument(text, { prettyErrors: true })
  if (document.errors.length > 0) {
    // Later errors usually follow from the first. The first line of a pretty error has no excerpt that could show the
    // authtoken.
    const [line = ''] = document.errors[0]?.message.split('\n', 1) ?? []
    throw new ConfigError([{ path, message: line }])
  }
  const value: unknown = document.toJS() ?? {} // an empty file is an empty mapping
  const parsed = configSchema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new ConfigError(parsed.error.issues.flatMap((issue) => explain(issue, path, value)))
}

function explain(issue: z.core.$ZodIssue, file: string, value: unknown): ConfigProblem[] {
  const where = issue.path.join('.')
  if (issue.code !== 'unrecognized_keys') {
    const message = explainNgrokValue(where, Object(value)[where]) ?? sentence(issue)
    return [{ path: `${file}: ${where || 'the file'}`, message }]
  }
  return issue.keys.map((key) => {
    const known = keysIn(where)
    const meant = closest(key, known)
    const hint = meant ? `Did you mean "${meant}"?` : `Known keys: ${known.join(', ')}.`
    const message = (where === '' ? explainNgrokKey(key) : undefined) ?? `There is no such key. ${hint}`
    return { path: `${file}: ${[...issue.path, key].join('.')}`, message }
  })
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `Write one of: ${issue.values.join(', ')}.`
  return `${issue.message.slice(0, 1).toUpperCase()}${issue.message.slice(1)}.`
}

/** The known key within two edits, if there is one. */
function closest(key: string, known: readonly string[]): string | undefined {
  return known
    .map((name) => ({ name, edits: countEdits(key, name) }))
    .toSorted((a, b) => a.edits - b.edits)
    .find(({ edits }) => edits <= 2)?.name
}

/** Levenshtein distance; keys are short. */
function countEdits(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1
      // Both rows are filled up to these indexes.
      current.push(Math.min(previous[column]! + 1, current[column - 1]! + 1, previous[column - 1]! + same))
    }
    previous = current
  }
  return previous[to.length]!
}
