// docs/coming-from-ngrok.md: each command is taken or refused as its table says, by the agent itself.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'

import { refusedAction } from '../packages/server/src/model/schema/refusals.ts'
import { KINDS } from '../packages/server/src/policy/kinds.ts'
import type { Said } from './support/say-of-agent.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../docs/coming-from-ngrok.md'), 'utf8')
const SAY = join(import.meta.dirname, 'support/say-of-agent.ts')

/** Actions that ngrok does not have. */
const OURS = ['any-of', 'service-token', 'set-headers']
// The agent reads its flags before it looks for its relay, and is told of none.
const NEEDS_RELAY = /The agent does not know its relay/

describe('first-hour 21: docs/coming-from-ngrok.md', { timeout: 60_000 }, () => {
  const taken = commandsBelow('Taken as they are')
  const refused = commandsBelow('Not offered')
  const flags = firstColumn('Flag by flag').flatMap((cell) => cell.match(/--[a-z][\w-]*/g) ?? [])
  const said = new Map<string, Said>()
  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-ngrok-'))
    const file = join(folder, 'ngrok.yml')
    await writeFile(file, 'version: 3\nagent:\n  authtoken: 2abc\nendpoints:\n  - name: shop\n')
    const commands = [
      ...flags.map(askedFor),
      ...taken,
      ...refused,
      'ngrok config add-authtoken 2abcNgrokToken',
      'ngrok http 80 --config FILE',
    ]
    const policy = join(folder, 'policy.yaml')
    await writeFile(policy, 'on_http_request:\n  - actions:\n      - type: deny\n')
    const authority = join(folder, 'ca.pem')
    await writeFile(authority, rootCertificates[0] ?? '')
    const fileOf = (command: string): string =>
      command.includes('--config') ? file : command.includes('--mutual-tls-cas') ? authority : policy
    const words = commands.map((command) => wordsOf(command).map((word) => (word === 'FILE' ? fileOf(command) : word)))
    const env = { HOME: folder, XDG_CONFIG_HOME: folder, NO_COLOR: '1' }
    const { stdout } = await promisify(execFile)(process.execPath, [SAY, JSON.stringify(words)], { env })
    const answers = JSON.parse(stdout) as Said[] // our own program's line
    for (const [index, command] of commands.entries()) said.set(command, answers[index]!) // one for each
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('lists commands', () => {
    assert.ok(taken.length >= 15 && refused.length >= 10, `${taken.length} and ${refused.length}`)
  })

  for (const command of taken) {
    it(`takes ${command}`, () => {
      const { code, output } = said.get(command)!
      if (/ (?:http|tunnel|diagnose)\b/.test(command)) assert.match(output, NEEDS_RELAY)
      else if (command.endsWith('config check')) assert.match(output, /There is no such file/)
      else assert.equal(code, 0, output)
      assert.doesNotMatch(output, /^(?!--server|--authtoken)--[\w-]+: /m, 'no flag has a problem')
    })
  }

  for (const command of refused) {
    it(`refuses ${command}`, () => {
      const { code, output } = said.get(command)!
      assert.equal(code, 2)
      assert.doesNotMatch(output, /unknown (?:option|command)|Did you mean/, 'it is known, and says what to do')
      assert.doesNotMatch(output, NEEDS_RELAY, 'it is not taken')
    })
  }

  it('lists flags of ngrok http, and the agent knows each', () => {
    assert.ok(flags.length >= 50, String(flags.length))
    for (const flag of flags) {
      const { output } = said.get(askedFor(flag))!
      assert.doesNotMatch(output, /unknown option|Did you mean/, flag)
    }
  })

  it('lists every action of ngrok, and the relay has each or refuses it with a sentence', () => {
    const rows = firstColumn('Action by action')
    const listed = rows.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name))
    const here = Object.keys(KINDS).filter((name) => !OURS.includes(name))
    assert.deepEqual(
      here.filter((name) => !listed.includes(name)),
      [],
      'every action of the relay has its row',
    )
    for (const name of listed) {
      const isOffered = name in KINDS || refusedAction({ type: name, config: { provider: 'google' } }) !== undefined
      assert.ok(isOffered, name)
    }
  })

  it("refuses ngrok's own authtoken and file, with a sentence", () => {
    assert.match(said.get('ngrok config add-authtoken 2abcNgrokToken')!.output, /begin with sp_/)
    const { code, output } = said.get('ngrok http 80 --config FILE')!
    assert.equal(code, 2)
    assert.match(output, /endpoints: The file names no apps yet/)
  })
})

/** `ngrok …` in the first column of the table below a heading. */
function commandsBelow(heading: string): string[] {
  return firstColumn(heading).flatMap((cell) =>
    [...cell.matchAll(/`(ngrok [^`]+)`/g)].map(([, command = '']) => command),
  )
}

/** The cells of the first column of the table below a heading. */
function firstColumn(heading: string): string[] {
  const section = new RegExp(`^## ${heading}\\n(.*?)(?=^## |$(?![^]))`, 'ms').exec(PAGE)?.[1] ?? ''
  return [...section.matchAll(/^\|([^|]*)\|/gm)].map(([, cell = '']) => cell)
}

/** With an invalid value, except for the log: there any other name is a file. */
function askedFor(flag: string): string {
  return `ngrok http 80 ${flag} ${flag === '--log' ? 'stderr' : 'x'}`
}

/** The words after `ngrok`. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain).slice(1)
}
