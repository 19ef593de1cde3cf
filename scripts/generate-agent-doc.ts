// Writes docs/agent.md from the agent's own code: its commands and flags, the keys of its file, and the variables that
// its sources name. With --check it writes nothing, and exits with 1 if the page is stale.

import { globSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { describeCommands } from '../packages/agent/src/cli/cli.ts'
import { CONFIG_KEYS } from '../packages/agent/src/plan/config-keys.ts'

type Command = ReturnType<typeof describeCommands>
type Option = Command['options'][number]

const root = join(import.meta.dirname, '..')
const PAGE = join(root, 'docs/agent.md')
const SOURCES = 'packages/agent/src/**/*.ts'

const INTRODUCTION = `# The agent

The agent runs beside an app, connects to a relay, and carries visitors to the app. Two commands do that: \`agent tunnel\` joins
an edge that the relay's operator has configured, [\`agent http\`](agent-http.md) asks the relay for an address of its own. Both
run until you end them. This page has every command, flag, variable and key; \`agent http --help\` and others say the same.

* Flags override the environment, which overrides the file \`agent.yml\`.
* The exit code is 0 for success, 1 for a failure at run time, 2 for wrong usage or configuration.
* Ctrl-C, SIGTERM, SIGINT and SIGQUIT let running requests finish; a second one ends at once. SIGHUP reads the policy of \`agent http --traffic-policy-file\` again; without one it changes nothing.
* On a terminal the agent shows a status view. \`--log=stderr\`, \`--log-level\` and \`--log-format\` show log lines instead, as do
  the variables \`CI\`, \`NO_COLOR\` and \`TERM=dumb\`, and a standard output that is not a terminal.
* [Coming from ngrok](coming-from-ngrok.md) lists the words of ngrok that the agent takes, and what to do instead of others.`

const FLAGS = `Flags that may be given several times are called repeatable. A flag's value may follow it, also after \`=\`. Every command has
\`--help\` (\`-h\`).`

const APP = `An app is named in one of these ways: \`8000\` (a port of this machine), \`host:port\`, \`http://host:port\`,
\`https://host\`, \`unix:/path\` (a socket), or \`file:///dir\` (a folder, whose files the agent serves).`

const FILE = `The file is \`agent.yml\` in the folder \`sallyport\` of \`XDG_CONFIG_HOME\`, or else of \`~/.config\`. \`--config\` or
\`SALLYPORT_CONFIG\` names another. The file is optional: flags and variables can set everything. It holds the authtoken, so
\`agent config\` writes it with mode 0600, and the agent warns if other users can read it. Unknown keys are refused; all
problems are reported at once.

\`\`\`yaml
version: 1
server: https://relay.example.com
authtoken: sp_…
connections: 2
log: { level: info, format: json }
\`\`\``

/** Variables that the agent reads beside those of flags. */
const VARIABLES: Readonly<Record<string, string>> = {
  ALL_PROXY: 'As `HTTPS_PROXY` and `HTTP_PROXY`, if the one for the relay is not set. Also in lower case.',
  CI: 'If it is set, log lines replace the status view.',
  EDITOR: 'The editor of `agent config edit`, if `VISUAL` is not set; vi without both.',
  HTTPS_PROXY:
    'The HTTP proxy that leads to a relay with `https://`, if neither `--proxy-url` nor the file names one. Also in lower case. A relay on this machine is reached without a proxy.',
  HTTP_PROXY: 'As `HTTPS_PROXY`, for a relay with `http://`. Also in lower case.',
  NO_COLOR: 'If it is set, there are no colours, and log lines replace the status view.',
  NO_PROXY: 'Hosts, addresses and ranges to reach without a proxy, separated by commas. Also in lower case.',
  TERM: '`dumb` is a terminal without colours; log lines replace the status view.',
  VISUAL: 'The editor of `agent config edit`.',
  XDG_CONFIG_HOME: 'The folder of configurations, in which the agent looks for its file. `~/.config` by default.',
}

const page = agentPage()
if (!process.argv.includes('--check')) {
  await writeFile(PAGE, page)
} else if ((await readFile(PAGE, 'utf8').catch(() => '')) !== page) {
  console.error('docs/agent.md is stale; run: node scripts/generate-agent-doc.ts')
  process.exitCode = 1
}

function agentPage(): string {
  const commands = commandsOf(describeCommands({}, () => {}))
  const flags = commands.flatMap(({ command }) => command.options)
  return `${[
    '<!-- Made by scripts/generate-agent-doc.ts from packages/agent/src. Do not edit. -->',
    INTRODUCTION,
    `## Commands\n\n${APP}\n\n${table(
      ['command', 'what it does'],
      commands.map(({ usage, command }) => [code(usage), command.description()]),
    )}`,
    `## Flags\n\n${FLAGS}`,
    ...flagSections(commands),
    `## The file agent.yml\n\n${FILE}\n\n${table(
      ['key', 'takes', 'meaning', 'flag', 'default'],
      Object.entries(CONFIG_KEYS).map(([key, { takes, meaning }]) => {
        const flag = flags.find(({ long }) => long === `--${key.replaceAll(/[._]/g, '-')}` && key !== 'log')
        return [code(key), takes, meaning, code(flag?.long), (flag && read(flag).preset) ?? '']
      }),
    )}`,
    `## Variables\n\nAn empty variable counts as one that is not set.\n\n${table(['variable', 'meaning'], variables(commands))}`,
  ].join('\n\n')}\n`
}

interface Described {
  command: Command
  /** Without `agent`. */
  name: string
  usage: string
}

/** Commands that can be run, not those that only have subcommands. */
function commandsOf(command: Command, above: readonly string[] = []): Described[] {
  const words = [...above, command.name()]
  const below = command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== 'help')
  if (below.length > 0) return below.flatMap((one) => commandsOf(one, words))
  const given = command.registeredArguments.map((one) => (one.required ? `<${one.name()}>` : `[${one.name()}]`))
  return [{ command, name: words.slice(1).join(' '), usage: [...words, ...given].join(' ') }]
}

interface Flag {
  option: Option
  commands: string[]
}

/** One section for each heading of the helps; a flag that several commands have is one row. */
function flagSections(commands: readonly Described[]): string[] {
  const groups = new Map<string, Flag[]>()
  for (const { command, name } of commands) {
    for (const option of command.options.filter(({ hidden }) => !hidden)) {
      const heading = option.helpGroupHeading?.replace(/:$/, '') ?? 'File'
      const flags = groups.get(heading) ?? []
      groups.set(heading, flags)
      const same = flags.find(
        (flag) => flag.option.flags === option.flags && flag.option.description === option.description,
      )
      if (same) same.commands.push(name)
      else flags.push({ option, commands: [name] })
    }
  }
  return [...groups].map(([heading, flags]) => {
    const rows = flags.map(({ option, commands: names }) => {
      const { meaning, preset, variable } = read(option)
      return [code(option.flags), preset ?? '', code(variable), meaning, names.map(code).join(', ')]
    })
    return `### ${heading}\n\n${table(['flag', 'default', 'variable', 'meaning', 'commands'], rows)}`
  })
}

/** A help text ends with its default and its variable. */
function read({ description, argChoices }: Option): { meaning: string; preset?: string; variable?: string } {
  const preset = /\(default: ([^)]*)\)/.exec(description)?.[1]
  const variable = /\(env: (\w+)\)/.exec(description)?.[1]
  const text = description.replaceAll(/ ?\((?:default|env): [^)]*\)/g, '')
  const choices = argChoices ? ` (${argChoices.map(code).join(', ')})` : ''
  return { meaning: text + choices, ...(preset && { preset }), ...(variable && { variable }) }
}

/** Every variable that the sources name. */
function variables(commands: readonly Described[]): string[][] {
  const flags = new Map(
    commands.flatMap(({ command }) =>
      command.options.flatMap((option) => {
        const { variable } = read(option)
        return variable === undefined ? [] : [[variable, `As \`${option.long}\`.`] as const]
      }),
    ),
  )
  const named = new Set(
    globSync(SOURCES, { cwd: root, exclude: (path) => path.endsWith('.test.ts') || path.includes('fixtures') }).flatMap(
      (file) => {
        const text = readFileSync(join(root, file), 'utf8')
        const found = text.matchAll(/environment\['(\w+)'\]|'(SALLYPORT_\w+|[A-Z]+_PROXY)'/g)
        return [...found].map(([, read = '', name = read]) => name)
      },
    ),
  )
  const known = new Set([...flags.keys(), ...Object.keys(VARIABLES)])
  const stale = [...known, ...named].filter((name) => !known.has(name) || !named.has(name))
  if (stale.length > 0) throw new Error(`${stale.join(', ')}: read but not described here, or described and not read`)
  return [...known].toSorted().map((name) => [code(name), flags.get(name) ?? VARIABLES[name] ?? ''])
}

function code(text: string | undefined): string {
  return text === undefined ? '' : `\`${text}\``
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}
