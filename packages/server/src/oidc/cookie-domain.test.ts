// Sessions that sibling edges share under a domain, if the operator configures it.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'

import { Browser } from '../../../../test/support/browser/browser.ts'
import type { IdentityProvider } from '../../../../test/support/identity-provider/identity-provider.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { configFor, signInAs, startProvider, startRelay, type Relay } from './harness.test-support.ts'

const DOMAIN = 'team.localhost'
const NAME = `sallyport.shared.${DOMAIN}.session`

describe('auth_cookie_domain', () => {
  let relay: Relay
  let provider: IdentityProvider
  before(async () => {
    relay = await startRelay()
    provider = await startProvider(relay.port)
  })
  after(async () => {
    await relay.close()
    await provider.close()
  })
  beforeEach(() => relay.reached.splice(0))

  const sharing = (more: Partial<OpenidConnectConfig> = {}) =>
    configFor(provider.issuer, { auth_id: 'shared', auth_cookie_domain: DOMAIN, ...more })

  /** Signs in, and answers with the header that a browser sends to every host under the domain. */
  async function cookieOf(url: string, username?: string): Promise<string> {
    const browser = new Browser()
    const page = await signInAs(browser, url, username)
    assert.equal(page.status, 200, page.body)
    const session = browser.cookie(new URL(url).hostname, NAME)
    assert.ok(session)
    return `${NAME}=${session.value}`
  }
  const ask = (url: string, cookie: string) => new Browser().fetch(url, { headers: { cookie } })

  it('sets only the session cookie for the domain', async () => {
    const docs = relay.edge('docs.team', sharing())
    const lines: string[] = []
    const onVisit = ({ headers }: { headers: { 'set-cookie'?: string[] | undefined } }) =>
      void lines.push(...(headers['set-cookie'] ?? []))
    await signInAs(new Browser({ onVisit }), docs.url)
    const ours = lines.filter((line) => line.startsWith('sallyport.'))
    assert.deepEqual(
      ours.filter((line) => line.includes('Domain=')).map((line) => line.replace(/=[\w-]{43};/, '=…;')),
      [`${NAME}=…; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax; Domain=${DOMAIN}`],
    )
    assert.ok(ours.some((line) => line.includes('.state.')))
  })

  it('lets a session of one edge pass on a sibling, by the lists of the sibling, with a token for the sibling', async () => {
    const docs = relay.edge('docs.team', sharing())
    const wiki = relay.edge('wiki.team', sharing())
    const closed = relay.edge('closed.team', sharing({ allow: { emails: ['eve@example.com'] } }))
    const cookie = await cookieOf(docs.url)
    relay.reached.length = 0
    assert.equal((await ask(docs.url, cookie)).status, 200)
    assert.equal((await ask(wiki.url, cookie)).status, 200)
    assert.equal((await ask(closed.url, cookie)).status, 403)
    const audiences = relay.reached.map(({ identity }) => {
      const [, payload = ''] = identity!.jwt!.split('.')
      return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { aud: string }).aud
    })
    assert.deepEqual(audiences, [docs.id, wiki.id], 'attack 27: a token for one app is not given to another')
  })

  it('attack 24: is shared only with edges that have the same domain', async () => {
    const docs = relay.edge('docs.team', sharing())
    const value = (await cookieOf(docs.url)).split('=')[1]!
    relay.reached.length = 0
    const others: [string, Partial<OpenidConnectConfig>, string][] = [
      ['own.team', { auth_id: 'shared' }, 'sallyport.shared.session'],
      ['name.team', { auth_id: 'other', auth_cookie_domain: DOMAIN }, `sallyport.other.${DOMAIN}.session`],
      [
        'wide.team',
        { auth_id: 'shared', auth_cookie_domain: 'a.team.localhost' },
        'sallyport.shared.a.team.localhost.session',
      ],
      ['client.team', { auth_id: 'shared', auth_cookie_domain: DOMAIN, client_id: 'other' }, NAME],
    ]
    for (const [name, config, cookie] of others) {
      const edge = relay.edge(name, configFor(provider.issuer, config))
      for (const sent of [NAME, cookie]) assert.equal((await ask(edge.url, `${sent}=${value}`)).status, 401, name)
    }
    assert.deepEqual(relay.reached, [])
  })

  it('ends sessions everywhere at once after a sign-out anywhere', async () => {
    const docs = relay.edge('docs.team', sharing())
    const wiki = relay.edge('wiki.team', sharing())
    const cookie = await cookieOf(docs.url)
    const out = await new Browser().fetch(`${wiki.url}/.sallyport/logout`, {
      method: 'POST',
      headers: { cookie, origin: wiki.origin },
    })
    assert.ok(
      out.headers['set-cookie']?.includes(`${NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Domain=${DOMAIN}`),
      String(out.headers['set-cookie']),
    )
    relay.reached.length = 0
    for (const edge of [docs, wiki]) assert.equal((await ask(edge.url, cookie)).status, 401)
    assert.deepEqual(relay.reached, [])
  })

  it('holds the claims that any of the edges may need, wherever the sign-in was', async () => {
    const docs = relay.edge('docs.team', sharing())
    const wiki = relay.edge('wiki.team', sharing({ allow: { claims: [{ claim: 'name', any_of: ['Ada Lovelace'] }] } }))
    assert.equal((await ask(wiki.url, await cookieOf(docs.url))).status, 200)
  })
})
