// Prints `agent`'s answers to many command lines, all from one process, as JSON. Reads the lines as JSON from its only
// argument.

import { runCli } from '../../packages/agent/src/cli/cli.ts'

export interface Said {
  code: number
  output: string
}

const [lines = '[]'] = process.argv.slice(2)
const answers: Said[] = []
const { stdout, stderr } = process
const write = stdout.write.bind(stdout)
for (const words of JSON.parse(lines) as string[][]) {
  let output = ''
  stdout.write = stderr.write = (chunk: string | Uint8Array) => {
    output += String(chunk)
    return true
  }
  const code = await runCli(words, process.env)
  answers.push({ code, output })
}
write(JSON.stringify(answers))
