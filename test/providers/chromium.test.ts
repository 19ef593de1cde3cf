// One sign-in in a real Chromium with each provider of the four guides: a private window, the provider's page, the app.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { DESCOPE } from './descope.ts'
import { FUSIONAUTH } from './fusionauth.ts'
import { JUMPCLOUD } from './jumpcloud.ts'
import { OKTA_CUSTOM } from './okta.ts'
import { MEMBER, startHouse } from './provider-profile.ts'

describe('providers in Chromium', { timeout: 120_000 }, () => {
  let chromium: ChromiumBrowser | undefined

  before(async () => {
    chromium = await ChromiumBrowser.start()
  })
  after(() => chromium?.close())

  for (const profile of [OKTA_CUSTOM, JUMPCLOUD, FUSIONAUTH, DESCOPE]) {
    it(`${profile.name}: from a private window to the wanted page`, async (test) => {
      if (!chromium) return test.skip(NO_CHROMIUM)
      const house = await startHouse(profile)
      const window = await chromium.privateWindow()
      try {
        const page = await window.newPage()
        await page.goto(house.url)
        assert.equal(new URL(page.url()).origin, new URL(house.issuer).origin)
        await page.getByLabel('Username').fill(MEMBER.username)
        await page.getByLabel('Password').fill(MEMBER.password)
        await page.getByRole('button', { name: 'Sign in' }).click()
        await page.waitForURL(house.url)
        assert.equal(await page.locator('#who').textContent(), 'ada@example.com')
        assert.deepEqual(
          (await window.cookies(house.url)).map(({ name }) => /^sallyport\.[\w-]+\.session$/.test(name)),
          [true],
        )
      } finally {
        await window.close()
        await house.close()
      }
    })
  }
})
