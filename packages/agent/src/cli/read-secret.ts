// Reads one secret line from standard input: it is not shown on the terminal, nor in the list of processes.

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** @param name the secret that a person at a terminal is asked for */
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
