// The relay's own pages, over the wire: the site that they name, the next step, and details that only the operator may
// see.

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { sendRaw } from '../support/raw-client.ts'
import { startStack, type Stack } from '../support/stack.ts'

const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const HTML = { accept: 'text/html' }

describe('pages of the relay (the first hour, 18)', { timeout: 30_000 }, () => {
  let stack: Stack

  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-pages-'))
    await writeFile(join(folder, 'logo.png'), PNG)
    stack = await startStack({
      app: createServer(),
      agents: 0,
      config: `pages: { title: 'Example <Ltd>', contact: 'mailto:help@example.com' }`,
      edges: `
- { id: edg_away, hosts: [away.localhost] }
- id: edg_own
  hosts: [own.localhost]
  pages: { title: Own, accent: '#ffee00', logo_file: '${join(folder, 'logo.png')}', contact: 'Ask <b>Ada</b>' }
- { id: edg_tls, hosts: [tls.localhost], origin: 'https://tls.localhost' }
- { id: edg_full, hosts: [full.localhost], page_details: full }
- { id: edg_none, hosts: [none.localhost], page_details: none }
- id: edg_far
  hosts: [far.localhost]
  policy: { on_http_request: [{ actions: [{ type: restrict-ips, config: { allow: [192.0.2.0/24] } }] }] }
- id: edg_parts
  hosts: [parts.localhost]
  routes:
    - exact_path: /closed
      policy: { on_http_request: [{ actions: [{ type: deny }] }] }
    - path_prefix: /login
      policy: { on_http_request: [{ actions: [{ type: basic-auth, config: { credentials: ['ada:correct horse'] } }] }] }`,
    })
  })
  after(async () => {
    await stack.close()
    await rm(folder, { recursive: true })
  })

  async function open(host: string, path = '/', headers: Record<string, string> = {}): Promise<string> {
    return (await ask(stack.port, { host, path, headers: { ...HTML, ...headers } })).body
  }

  /** The first button or link, as `label → address`. */
  const wayOn = (page: string): string | undefined =>
    /<a class="button" href="([^"]*)"[^>]*>([^<]*)</.exec(page)?.slice(1).toReversed().join(' → ')

  it('names the site', async () => {
    for (const host of ['away.localhost', 'far.localhost', 'nobody.localhost']) {
      const page = await open(host)
      assert.match(page, new RegExp(`<title>[^<]+ · ${host}</title>`))
      assert.ok(page.includes(`<span>${host}</span></p>`), page)
    }
    const long = `${'a.'.repeat(110)}localhost`
    assert.match(await open(long), /<span>…[a.]{90}localhost<\/span>/)
    assert.doesNotMatch(await open('not a host'), /not a host|<span>/)
  })

  it('offers a way on that can work', async () => {
    const pages: [host: string, path: string, expected: string][] = [
      ['away.localhost', '/', 'Try again → '],
      ['far.localhost', '/', 'Try again → '],
      ['parts.localhost', '/closed', 'Open this site → /'],
      ['parts.localhost', '/nothing', 'Open this site → /'],
      ['parts.localhost', '/login', 'Try again → '],
      ['parts.localhost', '/', 'Try again → '],
      ['nobody.localhost', '/', 'Try again → '],
    ]
    for (const [host, path, expected] of pages) assert.equal(wayOn(await open(host, path)), expected, host + path)
    const form = await ask(stack.port, { host: 'away.localhost', path: '/form', method: 'POST', headers: HTML })
    assert.equal(wayOn(form.body), 'Open this site → /', 'a link would not send the form once more')
    const own = await open('relay.localhost')
    assert.match(own, /the address of the relay itself/)
    assert.equal(wayOn(own), undefined)
  })

  it('shows the visitor’s address if that is the reason, but never a proxy’s', async () => {
    assert.match(await open('far.localhost'), /<dt>Your address<\/dt><dd>127\.0\.0\.1<\/dd>/)
    const proxied = await open('far.localhost', '/', { 'x-real-ip': '192.0.2.7' })
    assert.match(proxied, /sees the address of a proxy/)
    assert.doesNotMatch(proxied, /127\.0\.0\.1|192\.0\.2\.7/)
    const problem = async (headers: Record<string, string>): Promise<unknown> =>
      (JSON.parse((await ask(stack.port, { host: 'far.localhost', headers })).body) as { address?: string }).address
    assert.deepEqual([await problem({}), await problem({ via: '1.1 proxy' })], ['127.0.0.1', undefined])
  })

  it("shows the operator's details to the operator only, in every form of the answer", async () => {
    const forms = [HTML, { accept: '*/*' }, { 'content-type': 'application/grpc' }]
    const tells = async (host: string, headers: Record<string, string>): Promise<boolean[]> => {
      const answers = forms.map(async (form, index) => {
        const method = index === 2 ? 'POST' : 'GET'
        const { body, headers: got } = await ask(stack.port, { host, method, headers: { ...form, ...headers } })
        return /edge=edg_|agent tunnel/.test(body + String(got['grpc-message']))
      })
      return Promise.all(answers)
    }
    const all = forms.map(() => true)
    const none = forms.map(() => false)
    assert.deepEqual(await tells('away.localhost', {}), all)
    for (const name of ['X-Forwarded-For', 'x-forwarded-host', 'Forwarded', 'Via', 'X-Real-IP', 'CF-Connecting-IP']) {
      assert.deepEqual(await tells('away.localhost', { [name]: '127.0.0.1' }), none, name)
    }
    assert.deepEqual(await tells('full.localhost', { 'x-forwarded-for': '192.0.2.7' }), all)
    assert.deepEqual(await tells('none.localhost', {}), none)
    assert.deepEqual(await tells('tls.localhost', {}), none, 'somebody has ended the TLS')
    const old = await sendRaw(stack.port, 'GET / HTTP/1.0\r\nHost: away.localhost\r\n\r\n')
    assert.match(old, /ERR_NO_TUNNEL_ONLINE/)
    assert.doesNotMatch(old, /edge=edg_|agent tunnel/, 'what nginx sends by itself')
  })

  it('shows its owner and whom to ask, as the relay or the edge configures', async () => {
    for (const host of ['away.localhost', 'nobody.localhost', 'not a host']) {
      const { headers, body } = await ask(stack.port, { host, headers: HTML })
      assert.match(body, /<b><bdi>Example &lt;Ltd&gt;<\/bdi><\/b>/, host)
      assert.match(
        body,
        /<a href="mailto:help@example\.com\?subject=[\w.%]*req_\w+"><bdi>help@example\.com<\/bdi><\/a>/,
      )
      assert.doesNotMatch(String(headers['content-security-policy']), /img-src/)
    }
    const { headers, body } = await ask(stack.port, { host: 'own.localhost', headers: HTML })
    assert.ok(body.includes(`<img src="data:image/png;base64,${PNG.toString('base64')}" alt="">`), body)
    assert.match(body, /<b><bdi>Own<\/bdi><\/b> <span>own\.localhost<\/span>/)
    assert.match(body, /Questions\? <bdi>Ask &lt;b&gt;Ada&lt;\/b&gt;<\/bdi>/)
    assert.match(body, /:root \{ --accent: #ffee00 \} \}/, 'in the dark; on white nobody could read it')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; img-src data:; form-action 'none'; frame-/)
    assert.doesNotMatch(body, /help@example\.com|Example/)
  })
})
