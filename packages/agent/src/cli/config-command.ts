// `agent config …`: save the authtoken and the relay's address, check the file, open it in an editor.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename } from 'node:path'

import { ConfigError } from '@sallyport/protocol/config-error'
import { printable } from '@sallyport/protocol/printable'

import { authtokenProblem } from '../plan/agent-plan.ts'
import { AGENT_COMMAND } from '../agent-command.ts'
import { editConfig, makeConfig } from './config-edit.ts'
import { configPath, exposureProblem, readConfig } from '../plan/config.ts'
import type { Environment } from '../plan/proxy.ts'
import { readSecret } from './read-secret.ts'
import { parseRelayAddress } from '../plan/relay-address.ts'

const FIRST_TEXT = `version: 1
# server: https://relay.example.com
# authtoken: made with "relay authtoken create" on the relay's host
# ca: /path/to/authority.pem
# proxy_url: http://proxy.example.com:3128
# connections: 2
# log: { level: info, format: pretty }
`

const FROM_STDIN = '-'

// As today's relay makes them. A later one may make longer ones, so others are saved as well.
const TOKEN_CHARS = 30
const AUTHTOKEN = new RegExp(`^sp_[0-9A-Za-z]{${TOKEN_CHARS}}$`)

type Print = (line: string) => void

/**
 * Saves the authtoken; says where, but never shows it.
 * @param given the authtoken, or `-` if it comes on standard input
 */
export async function addAuthtoken(
  given: string,
  config: string | undefined,
  environment: Environment,
  print: Print,
  warn: Print,
): Promise<void> {
  const authtoken = given === FROM_STDIN ? await readSecret('Authtoken') : given
  const problem = problemOf(authtoken)
  if (problem) throw new ConfigError([{ path: `${AGENT_COMMAND} config add-authtoken`, message: problem }])
  const path = configPath(config, environment)
  editConfig(path, 'authtoken', authtoken)
  print(`The authtoken is saved in ${path}`)
  if (!AUTHTOKEN.test(authtoken)) {
    warn(
      `Authtokens have sp_ and ${TOKEN_CHARS} letters and digits; this one looks different. Was it copied completely?`,
    )
  }
  if (given !== FROM_STDIN) {
    warn(
      `On a command line others on this machine can see it, and the shell keeps it in its history. Next time: ${AGENT_COMMAND} config add-authtoken -`,
    )
  }
}

/** Also recognises other secrets that a person may mistake for an authtoken. Never shows it. */
function problemOf(given: string): string | undefined {
  if (given === '') return 'No authtoken came on standard input.'
  if (given.startsWith('sps_')) {
    return 'This is a service token, which a program shows to an edge. Make an authtoken with: relay authtoken create'
  }
  if (given.startsWith('atk_')) {
    return 'This is the id of an authtoken, not the authtoken itself, which is shown once. Make another with: relay authtoken create'
  }
  const problem = authtokenProblem(given)
  if (problem !== undefined || given.startsWith('sp_')) return problem
  return 'This is not an authtoken of a Sallyport relay: they begin with sp_. Make one with: relay authtoken create'
}

/** Saves the relay's address. */
export function addServer(server: string, config: string | undefined, environment: Environment, print: Print): void {
  const relay = parseRelayAddress(server)
  if ('problem' in relay)
    throw new ConfigError([{ path: `${AGENT_COMMAND} config add-server`, message: relay.problem }])
  const path = configPath(config, environment)
  editConfig(path, 'server', relay.url)
  print(`The relay ${relay.url} is saved in ${path}`)
}

/** Checks the file and says what a tunnel would still need. */
export function checkConfig(config: string | undefined, environment: Environment, print: Print): void {
  const path = configPath(config, environment)
  const file = readConfig(path, true)
  print(`${path} is valid.`)
  if (!file.server) print(`It names no relay: ${AGENT_COMMAND} config add-server https://relay.example.com`)
  if (!file.authtoken) print(`It holds no authtoken: ${AGENT_COMMAND} config add-authtoken -`)
  const exposed = exposureProblem(file, path)
  if (exposed) print(exposed)
}

// Without a terminal these editors wait endlessly for keys that nobody can press, or draw into a file. Other editors
// may need none: a window, sed, a script.
const TERMINAL_EDITORS =
  /^(?:editor|sensible-editor|vi|view|n?vim|vim\.(?:basic|tiny|nox)|nano|rnano|pico|micro|hx|helix|kak|joe|jmacs|jstar|jed|ne|mg|mcedit)$/
// With these flags it reads its commands from elsewhere.
const VIM_BATCH = /\s-(?:e|E|s|es|Es)(?:\s|$)/

/** @param editor as in EDITOR: a command, perhaps with arguments */
function drawsOnTerminal(editor: string): boolean {
  const [program = ''] = editor.trim().split(/\s/, 1)
  return TERMINAL_EDITORS.test(basename(program)) && !VIM_BATCH.test(editor)
}

/**
 * Opens the file in the person's editor, then checks it.
 * @throws ConfigError if that editor needs a terminal and has none, or fails, or leaves problems in the file
 */
export function openEditor(config: string | undefined, environment: Environment, print: Print): void {
  const path = configPath(config, environment)
  const editor = environment['VISUAL'] || environment['EDITOR'] || 'vi'
  if (drawsOnTerminal(editor) && !(process.stdin.isTTY && process.stdout.isTTY)) {
    const message = `There is no terminal to edit in. Change ${path} by other means, then: ${AGENT_COMMAND} config check`
    throw new ConfigError([{ path: `${AGENT_COMMAND} config edit, with ${printable(editor)}`, message }])
  }
  if (!existsSync(path)) makeConfig(path, FIRST_TEXT)
  // Like git: the variable may hold arguments, so the shell splits it; the path is passed as one argument.
  const ended = spawnSync('sh', ['-c', `${editor} "$@"`, editor, path], { stdio: 'inherit' })
  if (ended.error || ended.status !== 0) {
    throw new ConfigError([
      { path: `${AGENT_COMMAND} config edit`, message: `The editor "${editor}" did not end well; the file is ${path}` },
    ])
  }
  checkConfig(config, environment, print)
}
