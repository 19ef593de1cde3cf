// An identity provider with a certificate of a private authority, as most self-hosted providers have: a relay that
// trusts the authority signs visitors in, and another relay says what to configure.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import { Browser } from '../support/browser/browser.ts'
import { startIdentityProvider, type IdentityProvider } from '../support/identity-provider/identity-provider.ts'
import { redirectUri } from '@sallyport/server'

import { NO_OPENSSL } from '../support/certificate.ts'
import { ADA, CLIENT_ID, CLIENT_SECRET, Processes, RELAY } from '../support/processes.ts'
import { RecordingApp } from '../support/recording-app.ts'
import { signIn } from '../support/sign-in.ts'

const PAGE = join(import.meta.dirname, '../../docs/providers/own-authority.md')

describe('a provider with a private authority', { timeout: 120_000 }, () => {
  let processes: Processes
  let provider: IdentityProvider | undefined
  let ca = ''
  const app = new RecordingApp()

  before(async () => {
    processes = await Processes.create()
    const file = (name: string): Promise<string> => readFile(join(processes.folder, name), 'utf8')
    const key = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
    try {
      for (const args of [
        `${key} -subj /CN=House -addext basicConstraints=critical,CA:TRUE -keyout house-ca.key -out house-ca.pem`,
        `${key} -subj /CN=idp.localhost -addext subjectAltName=DNS:idp.localhost -addext basicConstraints=critical,CA:FALSE -CA house-ca.pem -CAkey house-ca.key -keyout idp.key -out idp.crt`,
      ]) {
        await promisify(execFile)('openssl', args.split(' '), { cwd: processes.folder })
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFile rejects
      return
    }
    ca = await file('house-ca.pem')
    provider = await startIdentityProvider({
      port: 0,
      host: 'idp.localhost',
      tls: { cert: await file('idp.crt'), key: await file('idp.key') },
      users: [ADA],
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: CLIENT_SECRET,
          redirect_uris: (issuer) => [redirectUri(processes.publicUrl, issuer)],
          post_logout_redirect_uris: [`${processes.publicUrl}/oidc/signed-out`],
        },
      ],
    })
    const signingIn = (further: object): object => ({
      on_http_request: [
        {
          actions: [
            {
              type: 'openid-connect',
              config: {
                issuer_url: provider?.issuer,
                client_id: CLIENT_ID,
                client_secret: '${E2E_CLIENT_SECRET}',
                ...further,
              },
            },
          ],
        },
      ],
    })
    await processes.startRelay({
      edges: [
        // As on the page: a path from the folder of relay.yml.
        { id: 'edg_told', hosts: ['told.localhost'], policy: signingIn({ provider_ca_file: 'house-ca.pem' }) },
        { id: 'edg_untold', hosts: ['untold.localhost'], policy: signingIn({}) },
      ],
    })
    app.server.listen(0, '127.0.0.1')
    await once(app.server, 'listening')
  })
  after(async () => {
    await processes.close()
    await provider?.close()
    app.server.close()
  })

  function isThere(test: TestContext): boolean {
    if (!provider) test.skip(NO_OPENSSL)
    return provider !== undefined
  }

  const check = (edge: string): ReturnType<Processes['run']> =>
    processes.run([RELAY, 'oidc', 'check', '--config', processes.configFile, '--edge', edge])

  it('real-providers, pages 1: signs visitors in if provider_ca_file names it, and the check finds no fault', async (test) => {
    if (!isThere(test)) return
    const { port } = app.server.address() as AddressInfo // it listens on a port
    await processes.startAgent({
      authtoken: await processes.createAuthtoken(),
      labels: ['edge=edg_told'],
      upstream: `http://127.0.0.1:${port}`,
      name: 'told',
    })
    await signIn(`${processes.origin('told.localhost')}/page`, ADA, new Browser({ ca }))
    assert.deepEqual(app.values('Sallyport-Auth-User-Email'), ['ada@example.com'])
    const { code, stdout } = await check('edg_told')
    assert.equal(code, 0, stdout)
    assert.match(stdout, /\nFine\.\n*$/)
  })

  it('real-providers, pages 1: is not trusted without it: log and check name the cure as the page does', async (test) => {
    if (!isThere(test)) return
    // Not even by an edge beside one that has just asked it.
    const page = await new Browser({ ca }).open(`${processes.origin('untold.localhost')}/page`)
    assert.equal(page.status, 502)
    assert.equal(page.headers['sallyport-error-code'], 'ERR_PROVIDER_UNREACHABLE')
    const { reason } = await processes.relay.waitForEntry('identity provider is unusable')
    const shown = /```text\n(.*)\n```/.exec(await readFile(PAGE, 'utf8'))?.[1]
    assert.ok(shown !== undefined && String(reason).endsWith(shown), `${String(reason)}\n${shown}`)
    const { code, stdout } = await check('edg_untold')
    assert.equal(code, 1, stdout)
    assert.match(
      stdout,
      /✘ discovery +the certificate of idp\.localhost:\d+ is not from an authority that is trusted here \(UNABLE_TO_VERIFY_LEAF_SIGNATURE\); if it is one of your own, name it in provider_ca_file/,
    )
  })
})
