// A real Chromium for a test file: started once with its own folders, private windows on demand, removed at the end.
// Without a Chromium the tests are skipped and say how to get one; with CI=true they fail.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, BrowserContextOptions, LaunchOptions } from 'playwright-core'

import { findChromium } from './chromium.ts'

const ACTION_DEADLINE_MS = 15_000
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export class ChromiumBrowser {
  readonly #browser: Browser
  readonly #folder: string
  readonly #launch: LaunchOptions

  /** Undefined if no Chromium can be found or installed. @param flags further ones @throws with CI=true in that case */
  static async start(flags: readonly string[] = []): Promise<ChromiumBrowser | undefined> {
    const found = await findChromium((line) => console.error(line))
    if (!found) {
      if (process.env.CI === 'true') throw new Error(NO_CHROMIUM)
      return undefined
    }
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-chromium-'))
    // playwright makes its folders in TMPDIR, and Chromium its locks and sockets.
    process.env.TMPDIR = join(folder, 'tmp')
    await mkdir(process.env.TMPDIR)
    const launch: LaunchOptions = {
      executablePath: found.path,
      args: [...found.args, ...QUIET, ...flags],
      headless: true,
      env: { ...process.env, TMPDIR: process.env.TMPDIR, HOME: folder } as Record<string, string>, // no value is undefined there
    }
    return new ChromiumBrowser(await chromium.launch(launch), folder, launch)
  }

  /** Use `ChromiumBrowser.start`. */
  constructor(browser: Browser, folder: string, launch: LaunchOptions) {
    this.#browser = browser
    this.#folder = folder
    this.#launch = launch
  }

  /** A private window: no cookie and no cache of any other. */
  async privateWindow(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const window = await this.#browser.newContext(options)
    window.setDefaultTimeout(ACTION_DEADLINE_MS)
    window.setDefaultNavigationTimeout(ACTION_DEADLINE_MS)
    return window
  }

  /** A window of a separate browser that keeps no cookies of one origin. Closing it ends that browser. */
  async windowWithoutCookiesOf(origin: string): Promise<BrowserContext> {
    const profile = await mkdtemp(join(this.#folder, 'profile-'))
    await mkdir(join(profile, 'Default'))
    const blocked = { [`${origin},*`]: { setting: 2 } } // as the settings page writes it: block
    const preferences = { profile: { content_settings: { exceptions: { cookies: blocked } } } }
    await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(preferences))
    const window = await chromium.launchPersistentContext(profile, this.#launch)
    window.setDefaultTimeout(ACTION_DEADLINE_MS)
    window.setDefaultNavigationTimeout(ACTION_DEADLINE_MS)
    return window
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export const NO_CHROMIUM =
  'no Chromium: on Debian apt-get install chromium; elsewhere install Chrome, or let npm fetch one with network access'
