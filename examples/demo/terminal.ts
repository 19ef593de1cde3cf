// The demo's output on its terminal: the addresses to open, each request, and agents that come or go.

import { styleText } from 'node:util'

import type { Child, Death } from './child.ts'
import type { ServedLine } from './relay-line.ts'
import { wrapCommand, wrapText } from './wrap.ts'

const ASIDE = ' '.repeat(13) // the column in which the banner's words begin
const INDENT = '  '

/** In phrases without line breaks within. */
export type Command = readonly (readonly string[])[]

export interface Banner {
  siteUrl: string
  username: string
  password: string
  agents: readonly Child[]
  /** The directory in which commands are to be pasted. */
  root: string
  furtherAgent: Command
}

export function printBanner({ siteUrl, username, password, agents, root, furtherAgent }: Banner): void {
  const width = widthOf(process.stdout)
  const bold = (text: string): string => styleText('bold', text)
  const say = (text: string): string => wrapText(text, width, ASIDE)
  const kills = agents.map(({ name, pid }) => `${name}   ${bold(`kill -9 ${pid}`)}`)
  const rows: [title: string, lines: string[]][] = [
    ['Open', [styleText('cyan', siteUrl), styleText('dim', say('a private window shows it best'))]],
    ['Sign in', [`user ${bold(username)}, password ${bold(password)}`]],
    [
      'Agents',
      [
        say('Two share the visitors. Stop one on the page, or in another terminal, and see the other take over:'),
        ...kills,
      ],
    ],
    [
      'One more',
      [say(`joins when you paste this into another terminal, in ${root}:`), wrapCommand(furtherAgent, width, ASIDE)],
    ],
    ['Stop', ['Ctrl-C']],
  ]
  const text = rows.map(
    ([title, lines]) => `${INDENT}${bold(title.padEnd(ASIDE.length - INDENT.length))}${lines.join(`\n${ASIDE}`)}`,
  )
  console.log(`\n${text.join('\n')}\n\nRequests, and the agent that served each:`)
}

export function printServed({ status, method, path, agent, user, code }: ServedLine): void {
  const time = new Date().toTimeString().slice(0, 8)
  const who = agent ? styleText('green', agent) : styleText('dim', code ?? 'relay')
  const by = user === undefined ? '' : styleText('dim', `  ${user}`)
  console.log(`${INDENT}${time}  ${status}  ${method.padEnd(4)} ${path}  ${who}${by}`)
}

/** One sentence about the agents that serve now, and the command that restarts a missing one. */
export function printGone(name: string, online: readonly string[], root: string, command: Command): void {
  const width = widthOf(process.stdout)
  const now =
    online.length === 0
      ? 'nobody is left to serve'
      : `${online.join(' and ')} ${online.length === 1 ? 'serves' : 'serve'} all visitors now`
  const sentence = `${name} is gone, and ${now}; to bring ${name} back, paste this into another terminal, in ${root}:`
  const shown = styleText('yellow', wrapText(sentence, width, INDENT))
  console.log(`\n${INDENT}${shown}\n\n${INDENT}${wrapCommand(command, width, INDENT)}\n`)
}

export function printJoined(name: string): void {
  console.log(`\n${INDENT}${styleText('green', `${name} is online and takes its turn.`)}\n`)
}

/** Why a process has ended unexpectedly. */
export function printDeath(name: string, { lastLines }: Death): void {
  const lines = lastLines.map((line) => `${INDENT}${line}\n`)
  console.error(
    `\nThe ${name} ended by itself. ${lines.length > 0 ? 'Its last lines:' : 'It said nothing.'}\n${lines.join('')}`,
  )
}

/** If the width is unknown, the output may be a file or a pipe. */
function widthOf({ columns = 80 }: { columns?: number }): number {
  return Math.max(columns, 20) - 1 // a line that fills the last column wraps on some terminals
}
