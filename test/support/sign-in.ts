// Signs a visitor in without a screen, and returns the browser that holds the session.

import assert from 'node:assert/strict'

import { Browser } from './browser/browser.ts'

import { ADA } from './processes.ts'

/** @param url a page behind the sign-in */
export async function signIn(
  url: string,
  { username, password }: { username: string; password: string } = ADA,
  browser = new Browser(),
): Promise<Browser> {
  const page = await browser.open(url)
  assert.match(page.body, /name="password"/, `${url} leads to the provider's page: ${page.status} at ${page.url}`)
  const landed = await browser.submit(page, { username, password })
  assert.equal(landed.url, url, `signed in, and back: ${landed.status}\n${landed.body}`)
  return browser
}
