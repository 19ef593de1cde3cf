import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import type { EdgeConfig } from '../../model/edge-config.ts'
import { parseConfig } from '../../config/parse-config.ts'
import { ConfigError } from '../../errors.ts'
import { createLog } from '../../log.ts'
import { ProviderAuthorities } from './provider-authorities.ts'
import { ProviderUnreachable, providerFetch } from './provider-fetch.ts'

const SILENT = createLog({ level: 'silent' })

describe('provider_ca_file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-authority-'))
  const at = (name: string): string => join(folder, name)
  let server: Server
  let url = ''
  let hasOpenssl = true

  before(async () => {
    try {
      for (const name of ['one', 'two']) {
        const request = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -addext subjectAltName=DNS:localhost -keyout ${at(name)}.key -out ${at(name)}.crt`
        execFileSync('openssl', request.split(' '), { stdio: 'pipe' })
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error // as execFileSync throws
      hasOpenssl = false
      return
    }
    const tls = { key: readFileSync(at('one.key')), cert: readFileSync(at('one.crt')) }
    server = createServer(tls, (_request, response) => response.end('{}'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `https://localhost:${(server.address() as AddressInfo).port}` // it listens on a port
  })
  after(() => {
    server?.close()
    rmSync(folder, { recursive: true })
  })

  /** Edges as relay.yml has them, in this folder. */
  function edgesOf(files: readonly (string | undefined)[]): readonly EdgeConfig[] {
    const openid = (file?: string) => ({
      type: 'openid-connect',
      config: {
        issuer_url: 'https://a.example',
        client_id: 'x',
        ...(file !== undefined && { provider_ca_file: file }),
      },
    })
    const jwt = (file?: string) => ({
      type: 'jwt-validation',
      config: {
        issuer: { allow_list: [{ value: 'https://a.example' }] },
        audience: { allow_list: [{ value: 'x' }] },
        ...(file !== undefined && { provider_ca_file: file }),
      },
    })
    const [first, second, third] = files
    const actions = [openid(first), { type: 'any-of', config: { actions: [jwt(second), openid(third)] } }]
    const text = JSON.stringify({
      domain: 'example.com',
      public_url: 'https://relay.example.com',
      listen: { http: 80 },
      edges: actions.map((action, index) => ({
        id: `edg_${index}`,
        hosts: [`h${index}.example.com`],
        policy: { on_http_request: [{ actions: [action] }] },
      })),
    })
    return parseConfig(text, { source: at('relay.yml'), env: {} }).edges
  }

  it('reports all unusable files at once, on any edge', async () => {
    writeFileSync(at('text'), 'no certificate')
    await assert.rejects(
      new ProviderAuthorities(SILENT).readMore(edgesOf(['nowhere.pem', 'text', '.'])),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError)
        assert.deepEqual(error.problems, [
          {
            path: 'provider_ca_file of openid-connect in edg_0',
            message: `there is no such file: ${at('nowhere.pem')}; correct the path, or put the file there`,
          },
          { path: 'provider_ca_file of jwt-validation in edg_1', message: `${at('text')} holds no certificate in PEM` },
          {
            path: 'provider_ca_file of openid-connect in edg_1',
            message: `${folder} is a folder; name the file in it`,
          },
        ])
        return true
      },
    )
  })

  it('trusts a provider by it, names it if that is not enough, and rereads a changed file', async (test) => {
    if (!hasOpenssl) return test.skip('no openssl on this machine: it makes the certificates')
    copyFileSync(at('two.crt'), at('ca.pem'))
    const { promise: reloaded, resolve } = Promise.withResolvers<void>()
    const log = createLog(
      { level: 'info' },
      { write: (line) => line.includes('provider_ca_file reloaded') && resolve() },
    )
    const authorities = new ProviderAuthorities(log)
    try {
      await authorities.readMore(edgesOf(['ca.pem']))
      const fetch = providerFetch(5000, url, undefined, authorities.of(at('ca.pem')))
      const refused = (pattern: RegExp) => (error: unknown) =>
        error instanceof ProviderUnreachable && pattern.test(error.message)
      await assert.rejects(
        providerFetch(5000, url)(url),
        refused(/not from an authority that this machine trusts .*name its certificate in provider_ca_file/),
      )
      await assert.rejects(fetch(url), refused(/this machine or \S+ca\.pem trusts .*is it the right provider_ca_file/))
      copyFileSync(at('one.crt'), at('ca.pem'))
      await reloaded
      assert.equal((await fetch(url)).status, 200)
    } finally {
      authorities.close()
    }
  })
})
