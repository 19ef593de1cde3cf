// Finds a Chromium for the browser tests: on the machine, from Debian's packages, or inside an npm package.
// @sparticuz/chromium is 70 MB, so it is no dependency: it is fetched only if no other Chromium is found.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface Chromium {
  path: string
  /** The arguments that this build needs beside the usual ones. */
  args: string[]
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const NPM_PACKAGE = '@sparticuz/chromium@153.0.0'
const root = join(import.meta.dirname, '../../..')

/** @param say called with a line about each installation */
export async function findChromium(say: (line: string) => void): Promise<Chromium | undefined> {
  const given = process.env.SALLYPORT_TEST_CHROMIUM
  if (given) return JSON.parse(given) as Chromium // set by scripts/test.ts
  return onPath() ?? installFromDebian(say) ?? (await installFromNpm(say))
}

function onPath(): Chromium | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      if (folder && existsSync(join(folder, name))) return { path: join(folder, name), args: [] }
    }
  }
  return undefined
}

function installFromDebian(say: (line: string) => void): Chromium | undefined {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return undefined
  say('Installing Chromium from the Debian packages for the browser tests …')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'chromium']]) {
    if (spawnSync('apt-get', args, { env, stdio: 'ignore' }).status !== 0) return undefined
  }
  return onPath()
}

async function installFromNpm(say: (line: string) => void): Promise<Chromium | undefined> {
  const folder = join(root, 'node_modules', '.cache', 'chromium')
  const entry = join(folder, 'node_modules', '@sparticuz', 'chromium', 'build', 'esm', 'index.js')
  if (!existsSync(entry)) {
    say(`Installing ${NPM_PACKAGE} for the browser tests …`)
    await mkdir(folder, { recursive: true })
    const args = ['install', '--no-audit', '--no-fund', '--no-save', '--prefix', folder, NPM_PACKAGE]
    if (spawnSync('npm', args, { stdio: 'ignore' }).status !== 0) return undefined
  }
  try {
    const imported: unknown = await import(pathToFileURL(entry).href)
    const { default: chromium } = imported as { default: { args: string[]; executablePath(): Promise<string> } } // as its README says
    return { path: await chromium.executablePath(), args: chromium.args }
  } catch (error) {
    say(`${NPM_PACKAGE} does not run here: ${String(error)}`)
    return undefined
  }
}
