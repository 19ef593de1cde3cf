// An empty folder into which a package manager installs our tarballs, and a person's next steps there.

import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

import { PNPM } from '../../scripts/pnpm.mjs'

const INSTALL_DEADLINE_MS = 300_000
const LINE_DEADLINE_MS = 30_000

/** The result of a command. */
export interface Ended {
  code: number
  stdout: string
  stderr: string
}

export interface Manager {
  /** The command that installs these files. */
  add: (tarballs: readonly string[]) => string[]
  /** The command that runs an installed command. */
  run: (command: string) => string[]
}

const binOf = (command: string): string[] => [join('node_modules/.bin', command)]
const YARN_1 = ['npx', '--yes', 'yarn@1.22.22']
const YARN_4 = ['npx', '--yes', '@yarnpkg/cli-dist@4.18.1']

export const MANAGERS: Readonly<Record<string, Manager>> = {
  npm: { add: (tarballs) => ['npm', 'install', '--no-audit', '--no-fund', ...tarballs], run: binOf },
  pnpm: { add: (tarballs) => ['npx', '--yes', PNPM, 'add', ...tarballs], run: binOf },
  'yarn 1': { add: (tarballs) => [...YARN_1, 'add', ...tarballs], run: binOf },
  // It keeps all packages in archives and reads the files from them, so that commands run only through it.
  'yarn 4': {
    add: (tarballs) => [
      ...YARN_4,
      'add',
      ...tarballs.map((file) => `@sallyport/${/sallyport-(\w+)-/.exec(basename(file))?.[1]}@file:${file}`),
    ],
    run: (command) => [...YARN_4, 'run', command],
  },
}

export class Installation {
  readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-install-'))
  readonly #env: NodeJS.ProcessEnv
  readonly #running = new Set<ChildProcess>()

  /** @param node the Node.js for all commands here */
  constructor(node: string = process.execPath) {
    // Settings for reaching the registry stay; settings of Sallyport and flags of Node.js do not.
    const inherited = Object.entries(process.env).filter(
      ([name]) =>
        !/^(?:SALLYPORT_|XDG_|PNPM_|NODE_(?!EXTRA_CA_CERTS))|^(?:npm_command|npm_config_local_prefix|INIT_CWD)$/.test(
          name,
        ),
    )
    this.#env = {
      ...Object.fromEntries(inherited),
      PATH: [dirname(node), '/usr/local/bin', '/usr/bin', '/bin'].join(delimiter),
      // A new user's home, without caches: fetching again takes only seconds.
      HOME: this.folder,
      npm_config_loglevel: 'error',
      npm_config_update_notifier: 'false',
      YARN_ENABLE_TELEMETRY: '0',
      NO_COLOR: '1',
    }
    chmodSync(this.folder, 0o755) // tests run programs in here as other users, too
    // Empty, except for the files that make it a project of its own.
    writeFileSync(join(this.folder, 'package.json'), '{ "name": "somebody", "private": true }\n')
    writeFileSync(join(this.folder, 'yarn.lock'), '')
  }

  /** Runs a program to its end. */
  run([program = '', ...words]: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    return new Promise((resolve) => {
      const options = { cwd: this.folder, env: { ...this.#env, ...env }, timeout: INSTALL_DEADLINE_MS }
      const child = execFile(program, words, options, (_, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      )
    })
  }

  /** Starts a program that keeps running. @returns a promise of the first group of the first line that matches */
  start([program = '', ...words]: readonly string[], env: NodeJS.ProcessEnv = {}): (line: RegExp) => Promise<string> {
    const child = spawn(program, words, {
      cwd: this.folder,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, since a package manager may run between it and us
    })
    this.#running.add(child)
    const lines: string[] = []
    const waiting = new Set<() => void>()
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        for (const look of waiting) look()
      })
    }
    return (wanted) =>
      new Promise((resolve, reject) => {
        const fail = (): void => reject(new Error(`no line like ${wanted} of ${words.join(' ')}:\n${lines.join('\n')}`))
        const timer = setTimeout(fail, LINE_DEADLINE_MS)
        const look = (): void => {
          const found = lines.map((line) => wanted.exec(line)).find((match) => match !== null)
          if (!found) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve(found[1] ?? '')
        }
        waiting.add(look)
        child.once('close', fail)
        look()
      })
  }

  /** Bytes in files below a folder of it, as `du` counts them: whole blocks. */
  sizeOf(path: string): number {
    return readdirSync(join(this.folder, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).blocks * 512, 0)
  }

  /** Ends the processes started here, and removes the folder. */
  async close(): Promise<void> {
    for (const child of this.#running) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue
      process.kill(-child.pid, 'SIGTERM')
      await once(child, 'close')
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
