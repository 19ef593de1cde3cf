// `npm run demo -- --once`: walks through the sign-in as a person would, over HTTP with real cookies and redirects.

import { styleText } from 'node:util'

import { Browser } from './browser.ts'
import type { ServedLine } from './relay-line.ts'

const APP_TEXT = 'This is a protected application.'
const VISITS = 6

export interface Walk {
  siteUrl: string
  username: string
  password: string
  /** The relay's exchanges so far; grows while we walk. */
  served: readonly ServedLine[]
}

/** @throws Error that names the step which failed */
export async function walkOnce({ siteUrl, username, password, served }: Walk): Promise<void> {
  const browser = new Browser()
  const { host, hostname } = new URL(siteUrl)

  await step('a program without a session gets 401 and nothing of the app', async () => {
    const answer = await new Browser().fetch(siteUrl, { headers: { accept: 'application/json' } })
    expect(answer.status === 401, `status ${answer.status}`)
    expect(!answer.body.includes(APP_TEXT), 'the answer contains the app')
  })

  const signInPage = await step('a visitor is sent to the identity provider', async () => {
    const first = await browser.visit(siteUrl)
    expect(first.status === 302 && first.next !== undefined, `status ${first.status}`)
    expect(!first.body.includes(APP_TEXT), 'the redirect contains the app')
    expect(new URL(first.next ?? siteUrl).host !== host, 'the redirect stays on the site')
    const page = await browser.open(first.next ?? siteUrl)
    expect(page.body.includes('password'), 'the provider shows no sign-in page')
    return page
  })

  await step(`a wrong password does not sign in`, async () => {
    const page = await browser.submit(signInPage, { username, password: 'guess' })
    expect(!page.body.includes(APP_TEXT), 'the app is shown')
  })

  await step(`${username} signs in and sees the app`, async () => {
    const page = await browser.submit(signInPage, { username, password })
    expect(page.status === 200 && page.body.includes(APP_TEXT), `status ${page.status} at ${page.url}`)
    expect(new URL(page.url).host === host, `the visitor ended at ${page.url}`)
    expect(page.body.includes('Ada Lovelace'), 'the app does not know who signed in')
  })

  await step('both agents serve in turn', async () => {
    const before = served.length
    for (let visit = 0; visit < VISITS; visit++) {
      const page = await browser.visit(siteUrl)
      expect(page.body.includes(APP_TEXT), `visit ${visit + 1} got status ${page.status}`)
    }
    const agents = await until(() => {
      const names = served.slice(before).flatMap(({ agent }) => agent ?? [])
      return names.length >= VISITS ? names : undefined
    })
    const counts = Object.entries(Object.groupBy(agents, (name) => name)).map(([name, all]) => `${name} ${all?.length}`)
    expect(counts.length === 2, `served by ${counts.join(', ')}`)
    return counts.join(', ')
  })

  await step('signing out ends the session', async () => {
    const confirm = await browser.visit(new URL('/.sallyport/logout', siteUrl))
    await browser.submit(confirm)
    expect(browser.cookie(hostname, 'sallyport.') === undefined, 'the session cookie is still there')
    const again = await browser.visit(siteUrl)
    expect(again.status === 302, `status ${again.status} after signing out`)
  })
}

async function step<T>(what: string, walk: () => Promise<T>): Promise<T> {
  try {
    const result = await walk()
    const detail = typeof result === 'string' ? styleText('dim', `  (${result})`) : ''
    console.log(`${styleText('green', '✔')} ${what}${detail}`)
    return result
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function expect(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem)
}

/** The log arrives a moment after the answers. */
async function until<T>(look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('the relay logged too few exchanges')
}
