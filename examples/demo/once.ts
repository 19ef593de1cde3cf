// `npm run demo -- --once`: walks through the sign-in as a person would, over HTTP with real cookies and redirects.

import { styleText } from 'node:util'

import { Browser } from '../../test/support/browser/browser.ts'
import type { Visit } from '../../test/support/browser/browser.ts'
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
    expect(signInPage.body.includes(password), 'the sign-in page does not say whom to sign in as')
    const page = await browser.submit(signInPage, { username, password })
    expect(page.status === 200 && page.body.includes(APP_TEXT), `status ${page.status} at ${page.url}`)
    expect(new URL(page.url).host === host, `the visitor ended at ${page.url}`)
    expect(page.body.includes('Ada Lovelace'), 'the app does not know who signed in')
  })

  await step('both agents serve in turn, and each page says which', async () => {
    const shown: (string | undefined)[] = []
    for (let visit = 0; visit < VISITS; visit++) {
      const page = await browser.visit(siteUrl)
      expect(page.body.includes(APP_TEXT), `visit ${visit + 1} got status ${page.status}`)
      shown.push(agentOf(page))
    }
    const agents = await until(`the relay has sent visitors to ${shown.join(', ')}`, () => {
      const names = served.flatMap(({ agent }) => agent ?? []).slice(-VISITS)
      return names.join() === shown.join() ? names : undefined
    })
    const counts = Object.entries(Object.groupBy(agents, (name) => name)).map(([name, all]) => `${name} ${all?.length}`)
    expect(counts.length === 2, `served by ${counts.join(', ')}`)
    return counts.join(', ')
  })

  await step('a forged form stops no agent', async () => {
    const forged = new URLSearchParams({ agent: 'agent 1', token: 'guess' }).toString()
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://evil.localhost' }
    const answer = await browser.visit(new URL('/stop', siteUrl), { method: 'POST', body: forged, headers })
    expect(answer.status === 403, `status ${answer.status}`)
    const stranger = await new Browser().visit(new URL('/stop', siteUrl), { method: 'POST', body: forged, headers })
    expect(stranger.status === 401, `a stranger gets status ${stranger.status}`)
    const names = new Set([agentOf(await browser.visit(siteUrl)), agentOf(await browser.visit(siteUrl))])
    expect(names.size === 2, `only ${[...names].join()} serves`)
  })

  await step('an agent is stopped from its page, and the other takes over', async () => {
    const page = await browser.visit(siteUrl)
    const stopped = agentOf(page)
    const pages = [await browser.submit(page)]
    for (let visit = 0; visit < VISITS; visit++) pages.push(await browser.visit(siteUrl))
    const statuses = new Set(pages.map(({ status }) => status))
    expect(statuses.size === 1 && statuses.has(200), `visitors get ${[...statuses].join()}`)
    const names = new Set(pages.map(agentOf))
    expect(names.size === 1 && !names.has(stopped), `${stopped} was stopped, ${[...names].join()} serves`)
    return `${stopped} was stopped`
  })

  await step('signing out ends the session', async () => {
    const confirm = await browser.visit(new URL('/.sallyport/logout', siteUrl))
    await browser.submit(confirm)
    expect(browser.cookie(hostname, 'sallyport.') === undefined, 'the session cookie is still there')
    const again = await browser.visit(siteUrl)
    expect(again.status === 302, `status ${again.status} after signing out`)
  })
}

/** The agent that a page of the site names as its own. */
function agentOf({ body }: Visit): string | undefined {
  return /<li class="here"><strong>([^<]+)/.exec(body)?.[1]
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
async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`its log does not say that ${what}`)
}
