// `relay hash-password`: reads a password from standard input and prints a hash to write instead of it in relay.yml.

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

import { passwordProblem } from '../values/basic-credential.ts'
import { hashPassword } from '../values/password-hash.ts'
import { ConfigError } from '../errors.ts'

export async function printPasswordHash(): Promise<void> {
  const password = await readPassword()
  const problem = passwordProblem(password)
  if (problem !== undefined) throw new ConfigError([{ path: 'relay hash-password', message: problem }])
  console.log(await hashPassword(password))
}

/** Reads one line; on a terminal it asks for it and does not show it. */
async function readPassword(): Promise<string> {
  const isTerminal = process.stdin.isTTY === true
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  if (isTerminal) process.stderr.write('Password: ')
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  try {
    for await (const line of lines) return line
    return ''
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}
