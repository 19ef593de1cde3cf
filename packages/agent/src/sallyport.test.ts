import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'

const MAIN = join(import.meta.dirname, 'sallyport.ts')

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function sallyport(...words: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...words], (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

describe('sallyport (the first hour, 1)', { concurrency: 2 }, () => {
  it('is the agent, and uses its own name in commands for people to type', async () => {
    const help = await sallyport('--help')
    assert.match(help.stdout, /^Usage: sallyport /)
    assert.match(help.stdout, /^ {2}relay \[command\] +Start and manage a relay/m)
    assert.match(help.stdout, /^ {2}sallyport http 3000$/m)
    assert.doesNotMatch(help.stdout, /^ {2}(?:agent|relay) \w+ .*\d/m)
  })

  it('is the relay with the word "relay", if that is installed', async () => {
    const [help, start] = await Promise.all([
      sallyport('help', 'relay', 'start'),
      sallyport('relay', 'start', '--config', '/nowhere/relay.yml'),
    ])
    assert.match(help.stdout, /^Usage: sallyport relay start /)
    assert.deepEqual([start.code, start.stdout], [2, ''])
    assert.match(start.stderr, /\/nowhere\/relay\.yml: there is no such file/)
  })

  it('says what to type instead of a command of the relay', async () => {
    const [check, start] = await Promise.all([sallyport('check'), sallyport('start')])
    assert.deepEqual(check, {
      code: 2,
      stdout: '',
      stderr: 'sallyport check: This is a command of the relay: sallyport relay check\n',
    })
    assert.match(start.stderr, /^sallyport start: A relay starts with: sallyport relay start\. .*"sallyport http"/)
  })
})
