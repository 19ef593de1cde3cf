// `relay oidc check` as an operator meets it, against a real identity provider.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { redirectUri } from '@sallyport/server'

import { CLIENT_ID, CLIENT_SECRET, Processes, RELAY } from '../support/processes.ts'

describe('relay oidc check', { timeout: 120_000 }, () => {
  let processes: Processes
  const run = (...words: string[]): ReturnType<Processes['run']> => processes.run([RELAY, 'oidc', 'check', ...words])

  before(async () => {
    processes = await Processes.create()
    await processes.startProvider()
  })
  after(() => processes.close())

  it('checks every sign-in of a configuration once, and ends with 0 if all is well', async () => {
    const file = await config('two.yml', [
      { id: 'edg_docs', hosts: ['docs.localhost'], policy: processes.signIn() },
      { id: 'edg_wiki', hosts: ['wiki.localhost'], policy: processes.signIn({ allow: { domains: ['example.com'] } }) },
      { id: 'edg_open', hosts: ['open.localhost'] },
    ])
    const { code, stdout, stderr } = await run('--config', file)
    assert.deepEqual([code, stderr], [0, ''], stdout)
    assert.match(stdout, new RegExp(`^${processes.issuer} as client ${CLIENT_ID}, for edg_docs, edg_wiki\\n`))
    for (const line of [
      /✔ issuer +http.*, to the letter/,
      /✔ credentials +it takes this client id and secret/,
      /✔ redirect URI +registered/,
      new RegExp(`Redirect URI to register +${redirectUri(processes.publicUrl, processes.issuer)}\\n`),
      /\nFine\.\n*$/,
    ]) {
      assert.match(stdout, line)
    }
    assert.equal(stdout.match(/as client/g)?.length, 1)
    assert.equal(stdout.includes(CLIENT_SECRET), false)

    const none = await run('--config', file, '--edge', 'edg_open')
    assert.equal(none.code, 2)
    assert.match(none.stderr, /no edge edg_open with openid-connect/)
  })

  it('ends with 1 and a sentence for each problem, also as JSON', async () => {
    const file = await config('wrong.yml', [
      { id: 'edg_docs', hosts: ['docs.localhost'], policy: processes.signIn({ client_secret: 'wrong' }) },
    ])
    const wrong = await run('--config', file, '--edge', 'edg_docs')
    assert.equal(wrong.code, 1)
    assert.match(wrong.stdout, /✘ credentials +it does not accept this client id and secret/)
    assert.match(wrong.stdout, /\n1 problem\.\n*$/)
    const json = await run('--config', file, '--json')
    assert.equal(json.code, 1)
    const { ok, providers } = JSON.parse(json.stdout) as { ok: boolean; providers: Record<string, unknown>[] } // our own output
    assert.equal(ok, false)
    assert.deepEqual(
      providers.map(({ issuer_url, edges, ok }) => ({ issuer_url, edges, ok })),
      [{ issuer_url: processes.issuer, edges: ['edg_docs'], ok: false }],
    )
    const lost = await run('http://127.0.0.1:1', '--client-id', 'x')
    assert.equal(lost.code, 1)
    assert.match(lost.stdout, /✘ discovery +nothing listens at 127\.0\.0\.1:1/)
  })

  it('S1: checks the alternatives as well, each with the redirect URI of its issuer', async () => {
    const nobody = { issuer_url: 'http://127.0.0.1:1', client_id: 'x' }
    const file = await config('several.yml', [
      { id: 'edg_docs', hosts: ['docs.localhost'], policy: processes.signIn({ alternatives: [nobody] }) },
    ])
    const { code, stdout } = await run('--config', file, '--json')
    assert.equal(code, 1)
    const { providers } = JSON.parse(stdout) as { providers: Record<string, unknown>[] } // our own output
    assert.deepEqual(
      providers.map(({ ok, redirect_uri }) => ({ ok, redirect_uri })),
      [
        { ok: true, redirect_uri: redirectUri(processes.publicUrl, processes.issuer) },
        { ok: false, redirect_uri: redirectUri(processes.publicUrl, nobody.issuer_url) },
      ],
    )
  })

  it('takes the provider from the command line, and the redirect URI from a file without its secrets', async () => {
    const file = await config('early.yml', [
      { id: 'edg_docs', hosts: ['docs.localhost'], policy: processes.signIn({ client_secret: '${NOT_YET}' }) },
    ])
    const client = ['--client-id', CLIENT_ID, '--client-secret', CLIENT_SECRET, '--scope', 'email groups']
    const { code, stdout } = await run(processes.issuer, ...client, '--config', file)
    assert.equal(code, 0, stdout)
    assert.match(stdout, /✔ scopes +openid email groups/)
    assert.match(
      stdout,
      new RegExp(`Redirect URI to register +${redirectUri(processes.publicUrl, processes.issuer)}\\n`),
    )
    const early = await run(processes.issuer, ...client, '--public-url', processes.publicUrl)
    assert.equal(early.code, 0, early.stdout)
    assert.match(early.stdout, /✔ redirect URI +registered/)
    const without = await run(processes.issuer, ...client)
    assert.equal(without.code, 0)
    assert.match(
      without.stdout,
      /\? redirect URI +not tried: it is <public_url>\/oidc\/callback\/idp\.localhost-[0-9a-f]{20}; give the public_url/,
    )
    assert.match(
      without.stdout,
      /\nNo problem found, but not everything could be checked: redirect URI, post-logout\.\n*$/,
    )
  })

  it('explains a bad certificate, and trusts a private authority like the relay', async (test) => {
    const names = 'subjectAltName=DNS:login.localhost,DNS:localhost'
    const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x -addext ${names} -addext basicConstraints=critical,CA:TRUE -keyout idp.key -out idp.crt`
    try {
      await promisify(execFile)('openssl', args.split(' '), { cwd: processes.folder })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFile rejects
      return test.skip('no openssl on this machine: it makes the certificate (on Debian: apt-get install openssl)')
    }
    const [key, cert] = await Promise.all(['idp.key', 'idp.crt'].map((name) => readFile(join(processes.folder, name))))
    const server = createServer({ key: key!, cert: cert! }, (_request, response) => response.writeHead(404).end())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo // it listens on a port
      const trusting = { NODE_EXTRA_CA_CERTS: join(processes.folder, 'idp.crt') }
      const ask = (host: string, env: NodeJS.ProcessEnv = {}, ...words: string[]): ReturnType<Processes['run']> =>
        processes.run([RELAY, 'oidc', 'check', `https://${host}:${port}`, '--client-id', 'x', ...words], env)
      const [unknown, otherName, trusted, named, wrong] = await Promise.all([
        ask('login.localhost'),
        ask('other.localhost', trusting),
        ask('login.localhost', trusting),
        ask('login.localhost', {}, '--provider-ca-file', join(processes.folder, 'idp.crt')),
        ask('login.localhost', {}, '--provider-ca-file', processes.folder),
      ])
      assert.match(
        unknown.stdout,
        /is not from an authority that is trusted here \(\w+\); .*provider_ca_file \(here --provider-ca-file\)/,
      )
      assert.match(otherName.stdout, /the certificate of other\.localhost:\d+ is for other names/)
      for (const { stdout } of [trusted, named])
        assert.match(stdout, /there is no discovery document at .* \(HTTP 404\)/)
      assert.match(wrong.stdout, /✘ provider CA +\/.* is a folder; name the file in it/)
    } finally {
      server.close()
    }
  })

  it('ends with 2 if it was called wrongly', async () => {
    const cases: [words: string[], wanted: RegExp][] = [
      [[], /ISSUER is missing/],
      [['https://login.example.com'], /--client-id is missing/],
      [['login.example.com', '--client-id', 'x'], /ISSUER "login\.example\.com" is not a URL/],
      [['http://login.example.com', '--client-id', 'x'], /ISSUER must be https/],
      [['https://login.example.com', '--client-id', 'x', '--id-token-alg', 'none'], /--id-token-alg .*HS256/],
      [['https://login.example.com', '--client-id', 'x', '--edge', 'edg_a'], /--edge .*omit ISSUER/],
      [['--config', 'relay.yml', '--client-id', 'x'], /--client-id goes with ISSUER/],
      [['--config', 'relay.yml', '--public-url', 'https://a.example'], /--public-url goes with ISSUER/],
      [['https://login.example.com', '--client-id', 'x', '--public-url', 'a.example'], /--public-url .*is not an http/],
      [['--config', '/nowhere/relay.yml'], /there is no such file/],
    ]
    const ends = await Promise.all(cases.map(([words]) => run(...words)))
    for (const [index, { code, stdout, stderr }] of ends.entries()) {
      assert.deepEqual([code, stdout], [2, ''], stderr)
      assert.match(stderr, cases[index]![1])
      assert.doesNotMatch(stderr, / {4}at /, 'no stack')
    }
  })

  async function config(name: string, edges: readonly object[]): Promise<string> {
    const file = join(processes.folder, name)
    const listen = { http: `127.0.0.1:${processes.port}`, admin: '127.0.0.1:0' }
    await writeFile(file, JSON.stringify({ domain: 'localhost', public_url: processes.publicUrl, listen, edges }))
    return file
  }
})
