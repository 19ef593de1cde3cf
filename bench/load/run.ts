// Runs a load program to its end. A failure has the program's output, but not its arguments, which include a visitor's
// cookie.

import { execFile } from 'node:child_process'
import type { ExecFileException, ExecFileOptions } from 'node:child_process'
import { promisify } from 'node:util'

export async function run(
  program: string,
  args: readonly string[],
  options: ExecFileOptions = {},
): Promise<{ stdout: string }> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { ...options, encoding: 'utf8' })
    return { stdout }
  } catch (error) {
    const { code, signal, stderr } = error as ExecFileException // the error of execFile
    const how = signal ? `was ended by ${signal}` : `ended with ${code}`
    throw new Error(`${program} ${how}: ${stderr?.trim().split('\n').at(-1) ?? ''}`)
  }
}
