// One line of standard input that nobody else should see: not on the terminal, and not in the list of processes.

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** @param name what a person at a terminal is asked for */
export async function readSecret(name: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  if (isTerminal) process.stderr.write(`${name}: `)
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal })
  try {
    for await (const line of lines) return line.trim()
    return ''
  } finally {
    lines.close()
    if (isTerminal) process.stderr.write('\n')
  }
}
