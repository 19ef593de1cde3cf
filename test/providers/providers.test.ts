// Signing in with the providers of the four guides, over HTTP: each is a real provider that behaves like the make.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { Browser } from '../support/browser/browser.ts'
import { redirectUri } from '@sallyport/server'

import { signIn } from '../support/sign-in.ts'
import { AUTHENTIK } from './authentik.ts'
import { DESCOPE } from './descope.ts'
import { ENTRA } from './entra.ts'
import { FUSIONAUTH, FUSIONAUTH_UNCONFIGURED } from './fusionauth.ts'
import { GLEWLWYD } from './glewlwyd.ts'
import { GOOGLE } from './google.ts'
import { JUMPCLOUD } from './jumpcloud.ts'
import { KEYCLOAK } from './keycloak.ts'
import { OKTA_CUSTOM, OKTA_ORG } from './okta.ts'
import { MEMBER, STRANGER, startHouse } from './provider-profile.ts'
import type { House, ProviderProfile } from './provider-profile.ts'
import { ZITADEL } from './zitadel.ts'

const PROFILES = [
  OKTA_ORG,
  OKTA_CUSTOM,
  JUMPCLOUD,
  FUSIONAUTH,
  DESCOPE,
  KEYCLOAK,
  AUTHENTIK,
  ENTRA,
  GOOGLE,
  GLEWLWYD,
  ZITADEL,
]

describe('providers', { timeout: 120_000 }, () => {
  for (const profile of PROFILES) {
    it(`${profile.name}: lets in only members of the group`, async () => {
      await inHouse(profile, async (house) => {
        const browser = await signIn(house.url, MEMBER)
        const [request] = house.reached
        assert.equal(house.reached.length, 1)
        // The address counts as the visitor's only if the provider says that it is verified.
        const email = profile.member.email_verified === true ? 'ada@example.com' : undefined
        assert.equal(request?.['sallyport-auth-user-email'], email)
        const { groups } = profile.signIn.allow as { groups?: { claim?: string } } // as the profiles have it
        const members = groups && (profile.member[groups.claim ?? 'groups'] as string[])
        assert.equal(request?.['sallyport-auth-user-groups'], members?.join(','))
        assert.equal((await browser.open(house.url)).status, 200)

        const stranger = new Browser()
        const page = await stranger.open(house.url)
        const refused = await stranger.submit(page, STRANGER)
        assert.equal(refused.status, 403)
        assert.equal(refused.headers['sallyport-error-code'], 'ERR_NOT_ALLOWED')
        assert.equal(house.reached.length, 2, 'nothing of the stranger has reached the app')
      })
    })

    it(`${profile.name}: relay oidc check finds nothing wrong`, async () => {
      await inHouse(profile, async (house) => {
        const { code, stdout } = await house.check()
        assert.equal(code, 0, stdout)
        for (const about of ['issuer', 'keys', 'credentials', 'redirect URI', 'PKCE', 'ID tokens', 'client auth']) {
          if (about === 'keys' && profile === FUSIONAUTH) continue // the client secret is the key
          if (about === 'PKCE' && profile === ENTRA) continue // not listed there
          if (about === 'credentials' && profile === ZITADEL) continue // it does not say
          assert.match(stdout, new RegExp(`✔ ${about} `))
        }
        // Many people read only the last line.
        const open = profile === KEYCLOAK ? 'clock' : profile === ZITADEL ? 'credentials' : undefined
        const last = open === undefined ? 'Fine.' : `No problem found, but not everything could be checked: ${open}.`
        assert.equal(stdout.trimEnd().split('\n').at(-1), last)
        assert.equal(stdout.includes(profile.client.client_secret ?? ''), false)
        // These pages say it in words.
        if (profile === ENTRA) assert.match(stdout, /• PKCE /)
        else if (profile === GOOGLE) assert.match(stdout, /• endpoints .*there is no end_session_endpoint/)
        else if (profile === ZITADEL)
          assert.match(stdout, /\? credentials +not known: it gives the same answer for a wrong secret/)
        else if (profile.page !== undefined && profile !== OKTA_CUSTOM) assertShown(profile.page, stdout, house) // the page shows the other kind
      })
    })
  }

  it('real-providers 1: the check finds a wrong secret at each of them, or says that it cannot know', async () => {
    const cases: [profile: ProviderProfile, code: number, said: RegExp][] = [
      [
        KEYCLOAK,
        1,
        /✘ credentials +it does not accept this client id and secret \(unauthorized_client: Invalid client or Invalid client credentials\)/,
      ],
      [GLEWLWYD, 1, /✘ credentials +it does not accept this client id and secret \(unauthorized_client\)/],
      [
        OKTA_ORG,
        1,
        /✘ credentials +it does not accept this client id and secret \(HTTP 401: client authentication failed\)/,
      ],
      [ZITADEL, 0, /\? credentials +not known: it gives the same answer for a wrong secret/],
    ]
    for (const [profile, code, said] of cases) {
      const wrong = (): { client_secret: string } => ({ client_secret: 'nope' })
      await inHouse(
        profile,
        async (house) => {
          const checked = await house.check()
          assert.equal(checked.code, code, checked.stdout)
          assert.match(checked.stdout, said)
          assert.doesNotMatch(checked.stdout, /^Fine/m)
        },
        wrong,
      )
    }
  })

  it('real-providers 3: the check finds that Keycloak does not have the post-logout URI', async () => {
    const house = await startHouse(KEYCLOAK, undefined, ['https://other.example.com/signed-out'])
    try {
      const { code, stdout } = await house.check()
      assert.equal(code, 1)
      assert.match(
        stdout,
        /✘ post-logout +http:\/\/relay\.localhost:\d+\/oidc\/signed-out is not registered for client sal/,
      )
    } finally {
      await house.close()
    }
  })

  it('Okta: a sign-out ends the session there too, by id_token_hint, and the next visitor must sign in', async () => {
    await inHouse(OKTA_CUSTOM, async (house) => {
      const browser = await signIn(house.url, MEMBER)
      const page = await browser.open(new URL('/.sallyport/logout', house.url))
      const landed = await browser.submit(page)
      assert.equal(new URL(landed.url).pathname, '/.sallyport/signed-out')
      const again = await browser.open(house.url)
      assert.match(again.url, new RegExp(`^${new URL(house.issuer).origin}/sign-in/`))
      assert.equal(house.reached.length, 1)
    })
  })

  it('JumpCloud: the issuer may be written without its slash, and the check says that they differ', async () => {
    await inHouse(
      JUMPCLOUD,
      async (house) => {
        await signIn(house.url, MEMBER)
        const { code, stdout } = await house.check()
        assert.equal(code, 0, stdout)
        assert.match(stdout, /• issuer .*for the relay this is the same/)
        assert.match(stdout, /\^ the slash at the end/)
      },
      ({ issuer }) => ({ issuer_url: issuer.replace(/\/$/, '') }),
    )
  })

  it('FusionAuth, as it comes: nobody can sign in, and log and check say what to set', async () => {
    await inHouse(FUSIONAUTH_UNCONFIGURED, async (house) => {
      const page = await new Browser().open(house.url)
      assert.equal(page.status, 502)
      assert.equal(page.headers['sallyport-error-code'], 'ERR_PROVIDER_UNREACHABLE')
      const sentence = `your provider calls itself "acme.com", which is not a URL; set its issuer to ${house.issuer} there`
      assert.ok(house.stack.log.some((line) => line.includes(JSON.stringify(sentence).slice(1, -1))))
      const { code, stdout } = await house.check()
      assert.equal(code, 1)
      assert.ok(stdout.includes(`✘ issuer        ${sentence}`), stdout)
      assert.match(stdout, /✔ credentials/)
      assert.deepEqual(house.reached, [])
    })
  })

  it('FusionAuth: without id_token_alg an ID token signed with the secret is refused', async () => {
    await inHouse(
      FUSIONAUTH,
      async (house) => {
        const browser = new Browser()
        const page = await browser.open(house.url)
        const refused = await browser.submit(page, MEMBER)
        assert.equal(refused.status, 400)
        assert.equal(refused.headers['sallyport-error-code'], 'ERR_SIGN_IN_FAILED')
        assert.ok(
          house.stack.log.some((line) =>
            line.includes('it is signed with the client secret (HS256); write id_token_alg: HS256'),
          ),
          house.stack.log.at(-1),
        )
        const { stdout } = await house.check()
        assert.match(stdout, /✔ ID tokens .*if this client is set to HS256 there, write id_token_alg: HS256/)
        assert.deepEqual(house.reached, [])
      },
      () => ({ id_token_alg: undefined }),
    )
  })

  it('Okta and Descope: the check names the missing part if the issuer has lost its path', async () => {
    for (const profile of [OKTA_CUSTOM, DESCOPE]) {
      await inHouse(
        profile,
        async (house) => {
          const { code, stdout } = await house.check()
          assert.equal(code, 1)
          assert.ok(stdout.includes(`(HTTP 404); set issuer_url to ${house.issuer}\n`), stdout)
        },
        ({ issuer }) => ({ issuer_url: new URL(issuer).origin }),
      )
    }
  })
})

/**
 * The page shows the printed lines, with an issuer of its own; `…` replaces the parts that differ between providers of a
 * make.
 */
function assertShown(page: string, stdout: string, { issuer, url }: House): void {
  const text = readFileSync(join(import.meta.dirname, '../../docs/providers', page), 'utf8')
  const shown = /```text\n(.*?)```/s.exec(text)?.[1]?.trimEnd().split('\n') ?? []
  const issuerThere = shown[0]?.split(' ')[0] ?? ''
  const here = `http://relay.localhost:${new URL(url).port}`
  const printed = stdout
    .replaceAll(redirectUri(here, issuer), redirectUri('https://relay.example.com', issuerThere))
    .replaceAll(issuer.replace(/\/$/, ''), issuerThere.replace(/\/$/, ''))
    .replaceAll(here, 'https://relay.example.com')
    .trimEnd()
    .split('\n')
  assert.match(shown[0] ?? '', /^\S+ as client \S+, for edg_docs$/) // with a client id of its own
  for (const [index, line] of printed.entries()) {
    if (index > 0) assert.ok(matches(line, shown[index]), `${page} shows "${shown[index]}", and it is "${line}"`)
  }
  assert.equal(shown.length, printed.length, page)
}

function matches(line: string, pattern = ''): boolean {
  const [start = '', ...more] = pattern.split('…')
  if (more.length === 0) return line === pattern
  let place = start.length
  return (
    line.startsWith(start) &&
    more.every((part) => {
      const found = line.indexOf(part, place)
      place = found + part.length
      return found !== -1
    })
  )
}

/** @param changes keys of the profile's sign-in to replace if they depend on the issuer */
async function inHouse(
  profile: ProviderProfile,
  visit: (house: House) => Promise<void>,
  changes?: (house: { issuer: string }) => Readonly<Record<string, unknown>>,
): Promise<void> {
  const house = await startHouse(profile, changes)
  try {
    await visit(house)
  } finally {
    await house.close()
  }
}
