// Colours of the log on a terminal, which `script` of util-linux lends.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'

import { AGENT, Processes, RELAY } from '../support/processes.ts'

const NO_SCRIPT = !spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux')
const SKIP = NO_SCRIPT && 'needs script, of util-linux (on Debian: apt-get install bsdutils)'

describe('the log on a terminal', { timeout: 60_000, skip: SKIP }, () => {
  let processes: Processes

  before(async () => {
    processes = await Processes.create()
    const listen = { http: '127.0.0.1:0', admin: '127.0.0.1:0' }
    const config = { domain: 'localhost', public_url: processes.publicUrl, listen, store: 'sqlite:relay.db' }
    await writeFile(processes.configFile, JSON.stringify(config))
  })
  after(() => processes.close())

  for (const [program, args] of [
    ['relay', [RELAY, 'start', '--config', 'relay.yml', '--log-format', 'pretty']],
    // Nobody listens there, which it says.
    [
      'agent',
      [
        AGENT,
        'tunnel',
        '--server',
        'http://127.0.0.1:9',
        '--authtoken',
        'a',
        '--label',
        'a=b',
        '--log-level',
        'info',
        '9',
      ],
    ],
  ] as const) {
    it(`real-apps 5: of the ${program} has colours, but not where TERM is dumb, or where NO_COLOR says so`, async () => {
      // oxlint-disable-next-line no-control-regex
      const colored = /\u001b\[\d+m(?:INFO|WARN)/
      const plain = /\] (?:INFO|WARN)/
      assert.match(await linesOf(args, { TERM: 'xterm' }), colored)
      assert.match(await linesOf(args, { TERM: 'dumb' }), plain)
      assert.match(await linesOf(args, { TERM: 'xterm', NO_COLOR: '1' }), plain)
    })
  }

  async function linesOf(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
    const command = `echo $$; exec ${[process.execPath, ...args].map((each) => `'${each}'`).join(' ')}`
    const { NO_COLOR: _, FORCE_COLOR: __, ...env } = processes.env
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: processes.folder,
      env: { ...env, ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    for await (const chunk of child.stdout) {
      const wasThere = text.split('\n').length > 2
      text += String(chunk)
      // Itself: `script` takes two seconds to end what it has started.
      if (!wasThere && text.split('\n').length > 2) process.kill(Number.parseInt(text, 10), 'SIGKILL')
    }
    return text
  }
})
