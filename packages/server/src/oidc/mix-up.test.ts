// S1: nothing from one issuer counts for another: no answer to a sign-in, no sign-out, no ID token. A dishonest
// provider against a whole relay: test/in-process/mix-up.test.ts.

import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { SignJWT } from 'jose'

import { Secret } from '@sallyport/protocol'

import { Browser } from '../../../../test/support/browser/browser.ts'
import { IssuerReach } from '../config/issuer-reach.ts'
import { callbackPath, redirectUri } from '../model/redirect-uri.ts'
import { configFor, publishSignIn, startRelay, type Relay } from './harness.test-support.ts'
import { startHostileProvider, type HostileProvider } from './hostile-provider.test-support.ts'

const SID = 'the-session-at-the-provider-1'
const END_SESSION = '/session/end'

describe('S1: an issuer', () => {
  let relay: Relay
  let honest: HostileProvider
  let other: HostileProvider

  before(async () => {
    ;[honest, other] = await Promise.all([startHostileProvider(), startHostileProvider()])
  })
  after(() => Promise.all([honest.close(), other.close()]))
  beforeEach(async () => {
    relay = await startRelay()
    for (const provider of [honest, other]) {
      provider.redeemed.length = 0
      // Both make the same claims about people and sessions: nothing prevents that.
      provider.behave = {
        idToken: () => provider.idToken({ sid: SID }),
        metadata: { end_session_endpoint: `${provider.issuer}${END_SESSION}` },
      }
    }
  })
  afterEach(() => relay.close())

  const at = (provider: HostileProvider, authId: string) => configFor(provider.issuer, { auth_id: authId })
  const sessions = () =>
    relay.signIn.sessions
      .list()
      .map(({ edge, issuer }) => `${edge} ${issuer === honest.issuer ? 'honest' : 'other'}`)
      .toSorted()
  /** Walks until an address that begins so is about to be asked for. */
  const walkTo = async (browser: Browser, url: string, begins: string): Promise<string> => {
    let { next } = await browser.visit(url)
    while (next !== undefined && !next.startsWith(begins)) ({ next } = await browser.visit(next))
    assert.ok(next !== undefined, `never led to ${begins}`)
    return next
  }
  const assertRefused = async (browser: Browser, url: string) => {
    const answer = await browser.visit(url)
    assert.equal(answer.status, 400, url)
    assert.equal(answer.next, undefined)
    assert.deepEqual([...honest.redeemed, ...other.redeemed], [], 'nothing was redeemed')
    assert.deepEqual([relay.signIn.sessionCount, relay.reached], [0, []])
  }

  describe('at the callback', () => {
    it('S1: is answered for at its own path only, whatever else the path is', async () => {
      const docs = relay.edge('docs', at(honest, 'staff'))
      relay.edge('wiki', at(other, 'partners'))
      const path = callbackPath(honest.issuer)
      const browser = new Browser()
      const good = await walkTo(browser, docs.url, redirectUri(relay.publicUrl.origin, honest.issuer))
      for (const wrong of [
        '/oidc/callback',
        '/oidc/callback/',
        `${path}/`,
        `${path}0`,
        path.slice(0, -1),
        path.toUpperCase().replace('/OIDC/CALLBACK', '/oidc/callback'),
        path.replace('-', '%2d'),
        `/oidc/callback/x/..%2f${path.split('/').at(-1)}`,
        callbackPath(other.issuer),
        callbackPath('https://nobody.example'),
      ]) {
        await assertRefused(browser, good.replace(path, wrong))
      }
      assert.equal((await browser.open(good)).body, 'hello user-1', 'the answer itself was good')
    })

    it('S1: that was replaced leaves no sign-in to its successor under the same auth_id', async () => {
      const docs = relay.edge('docs', at(honest, 'x'))
      const [early, late] = [new Browser(), new Browser()]
      const callback = await walkTo(early, docs.url, redirectUri(relay.publicUrl.origin, honest.issuer))
      const handOver = await walkTo(late, docs.url, `${docs.url}/.sallyport/oidc/callback?box=`)
      relay.edge('docs', at(other, 'x')) // as an endpoint that is bound anew
      await assertRefused(early, callback)
      await assertRefused(early, callback.replace(callbackPath(honest.issuer), callbackPath(other.issuer)))
      await assertRefused(late, handOver)
      assert.match(relay.logLines.join(''), /sign-in x of edg_docs is not configured any more/)
    })

    it('S1: is another one with a final slash, although both share a name', async () => {
      const docs = relay.edge('docs', at(honest, 'x'))
      const [early, late] = [new Browser(), new Browser()]
      const callback = await walkTo(early, docs.url, redirectUri(relay.publicUrl.origin, honest.issuer))
      const handOver = await walkTo(late, docs.url, `${docs.url}/.sallyport/oidc/callback?box=`)
      assert.equal(callbackPath(`${honest.issuer}/`), callbackPath(honest.issuer))
      relay.edge('docs', configFor(`${honest.issuer}/`, { auth_id: 'x' }))
      await assertRefused(early, callback)
      await assertRefused(late, handOver)
    })

    it('S1: that promises to name itself must do so even in an error', async () => {
      const docs = relay.edge('docs', at(honest, 'x'))
      honest.behave.metadata = { authorization_response_iss_parameter_supported: true }
      for (const back of [
        undefined,
        (callback: URL) => callback.searchParams.set('error_description', 'call this number'),
        (callback: URL) => {
          callback.searchParams.set('error', 'access_denied')
          callback.searchParams.set('error_description', 'call this number')
        },
      ]) {
        honest.behave = { ...honest.behave, ...(back && { back }) }
        const page = await new Browser().open(docs.url)
        assert.equal(page.status, 400)
        assert.ok(!page.body.includes('call this number'), page.body)
        assert.match(relay.logLines.join(''), /does not say which issuer it comes from \(iss\)/)
      }
      assert.deepEqual([honest.redeemed, relay.signIn.sessionCount, relay.reached], [[], 0, []])
      honest.behave = { ...honest.behave, back: (callback) => callback.searchParams.set('iss', honest.issuer) }
      assert.equal((await new Browser().open(docs.url)).body, 'hello user-1')
    })

    it('S1: no longer uses the old redirect URI, which shows a page with the URI to register', async () => {
      const old = `${relay.publicUrl.href}oidc/callback?code=x&state=y`
      const page = await new Browser().visit(old)
      assert.deepEqual([page.status, page.headers['sallyport-error-code']], [400, 'ERR_SIGN_IN_FAILED'])
      assert.match(page.body, /each provider has a redirect URI of its own now/)
      assert.match(page.body, /relay oidc redirect-uri ISSUER --config relay\.yml/)
      assert.equal(page.headers['set-cookie'], undefined)
      const problem = JSON.parse((await new Browser().fetch(old)).body) as { command: string } // our own answer
      assert.equal(problem.command, 'relay oidc redirect-uri ISSUER --config relay.yml')
    })
  })

  describe('that signs somebody out', () => {
    let staff: Browser
    let partner: Browser
    let reader: Browser
    let docs: ReturnType<Relay['edge']>
    const ALL = ['edg_docs honest', 'edg_docs other', 'edg_wiki other']

    beforeEach(async () => {
      docs = relay.edge('docs', { ...at(honest, 'staff'), alternatives: [at(other, 'partners')] })
      const wiki = relay.edge('wiki', at(other, 'partners'))
      ;[staff, partner, reader] = [new Browser(), new Browser(), new Browser()]
      await staff.open(`${docs.url}/.sallyport/login?auth_id=staff`)
      await partner.open(`${docs.url}/.sallyport/login?auth_id=partners`)
      await reader.open(wiki.url)
      assert.deepEqual(sessions(), ALL)
    })

    let count = 0
    const logoutToken = (iss: string, sign: (token: SignJWT) => Promise<string>, whom: object = { sid: SID }) =>
      sign(
        new SignJWT({
          iss,
          aud: 'relay',
          jti: `jti-${count++}`,
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
          ...whom,
        })
          .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'logout+jwt' })
          .setIssuedAt()
          .setExpirationTime('2 minutes'),
      )
    const tell = async (token: string) => {
      const answer = await new Browser().fetch(`${relay.publicUrl.href}oidc/backchannel-logout`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
      return answer.status
    }

    it('S1: by a logout token ends none of the sessions of another, on one edge and on two', async () => {
      const byOther = (token: SignJWT) => token.sign(other.key)
      assert.equal(await tell(await logoutToken(honest.issuer, byOther)), 400, 'signed by another than it names')
      assert.equal(await tell(await logoutToken(`${honest.issuer}/`, byOther)), 400)
      assert.deepEqual(sessions(), ALL)
      assert.equal(await tell(await logoutToken(other.issuer, byOther)), 200)
      assert.deepEqual(sessions(), ['edg_docs honest'])
      assert.equal(await tell(await logoutToken(other.issuer, byOther, { sub: 'user-1' })), 200)
      assert.deepEqual(sessions(), ['edg_docs honest'])
      assert.equal((await staff.fetch(docs.url)).status, 200)
      assert.equal(await tell(await logoutToken(honest.issuer, (token) => token.sign(honest.key))), 200)
      assert.deepEqual(sessions(), [])
    })

    it('S1: in a frame ends none of the sessions of another, although they have the same sid', async () => {
      const frame = async (iss: string) => {
        const query = new URLSearchParams({ iss, sid: SID }).toString()
        const headers = { 'sec-fetch-dest': 'iframe' }
        return new Browser().fetch(`${relay.publicUrl.href}oidc/frontchannel-logout?${query}`, { headers })
      }
      const answer = await frame(other.issuer)
      assert.equal(answer.status, 200)
      assert.match(String(answer.headers['content-security-policy']), new RegExp(`frame-ancestors ${other.issuer}$`))
      assert.deepEqual(sessions(), ['edg_docs honest'])
      await frame(honest.issuer)
      assert.deepEqual(sessions(), [])
    })

    it('S1: by its own visitor signs out nobody else, not on the way back either', async () => {
      const page = await partner.submit(await partner.open(`${docs.url}/.sallyport/logout`))
      assert.ok(page.url.startsWith(`${other.issuer}${END_SESSION}?`), page.url)
      assert.deepEqual(sessions(), ['edg_docs honest', 'edg_wiki other'])
      const asked = new URL(page.url).searchParams
      const back = `${asked.get('post_logout_redirect_uri')}?state=${asked.get('state')}`
      for (const browser of [staff, reader]) {
        const end = await browser.open(back)
        assert.equal(end.url, `${docs.url}/.sallyport/signed-out`)
      }
      assert.deepEqual(sessions(), ['edg_docs honest', 'edg_wiki other'])
      assert.equal((await staff.fetch(docs.url)).status, 200)
    })

    it('S1: does so for all edges that name it, with or without a final slash', async () => {
      const more = relay.edge('more', configFor(`${honest.issuer}/`, { auth_id: 'slash' }))
      await new Browser().open(more.url)
      assert.equal(relay.signIn.sessionCount, 4)
      const byHonest = (token: SignJWT) => token.sign(honest.key)
      assert.equal(await tell(await logoutToken(honest.issuer, byHonest)), 200)
      assert.deepEqual(sessions(), ['edg_docs other', 'edg_wiki other'])
    })

    it('S1: does so even if an agent, which cannot reach it, names it as well', async () => {
      await relay.close()
      relay = await startRelay()
      const nowhere = new IssuerReach({
        public_url: new URL('https://relay.example.com'),
        listen: { http: { host: '192.0.2.1', port: 80 } },
        endpoints: { private_issuers: [] },
      })
      publishSignIn(relay.signIn, 'edg_agent', at(honest, 'x'), nowhere)
      docs = relay.edge('docs', at(honest, 'staff'))
      await new Browser().open(docs.url)
      assert.deepEqual(sessions(), ['edg_docs honest'])
      assert.equal(await tell(await logoutToken(honest.issuer, (token) => token.sign(honest.key))), 200)
      assert.deepEqual(sessions(), [])
    })

    it('S1: is not an agent that names it with its own client secret', async () => {
      // An agent may bring another operator's issuer and client, and a made-up key for their tokens.
      const secret = 'made up by whoever holds an authtoken'
      const forger = { id_token_alg: 'HS256', client_secret: new Secret(secret), auth_id: 'forger' } as const
      const forged = (jti: string, key = secret) =>
        new SignJWT({
          iss: honest.issuer,
          aud: 'relay',
          jti,
          sub: 'user-1',
          events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuedAt()
          .setExpirationTime('2 minutes')
          .sign(new TextEncoder().encode(key))
      const own = 'a client secret of some length, for HS256 too'
      const shared = relay.edge('shared', configFor(honest.issuer, { id_token_alg: 'HS256', auth_id: 'shared' }))
      honest.behave.idToken = (nonce) =>
        new SignJWT({ nonce, sub: 'user-1', iss: honest.issuer, aud: 'relay', email: 'ada@example.com', name: 'Ada' })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuedAt()
          .setExpirationTime('2 minutes')
          .sign(new TextEncoder().encode(own))
      await new Browser().open(shared.url)
      relay.edge('prize', configFor(honest.issuer, forger))
      const before = [...ALL, 'edg_shared honest'].toSorted()
      assert.deepEqual(sessions(), before)
      assert.equal(await tell(await forged('one')), 200, 'for its own sign-ins it may')
      assert.deepEqual(sessions(), before, 'and for no others')
      assert.equal(await tell(await forged('one', own)), 200, 'nor is the jti of others used up by it')
      assert.deepEqual(sessions(), ALL, 'nor does it stand in the way of those who have the secret')
    })
  })

  it('S1: gets no ID token of another if an endpoint is bound anew during a sign-out', async () => {
    const docs = relay.edge('docs', at(honest, 'x'))
    const browser = new Browser()
    await browser.open(docs.url)
    const button = await browser.visit(`${docs.url}/.sallyport/logout`)
    const page = await browser.visit(button.url, { method: 'POST', headers: { origin: docs.origin } })
    assert.match(String(page.next), /\/logout\/provider\?auth_id=x$/)
    relay.edge('docs', at(other, 'x'))
    const next = await browser.visit(String(page.next))
    assert.equal(next.next, `${docs.url}/.sallyport/signed-out`)
  })
})
