import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { createServer } from 'node:tls'
import type { Server } from 'node:tls'

import { planAgent } from '../plan/agent-plan.ts'
import type { TunnelOptions } from '../plan/agent-plan.ts'
import { prepareDial } from './dial-upstream.ts'
import type { DialFailure } from './dial-upstream.ts'
import { makeSelfSigned } from '../fixtures/self-signed.ts'

describe('https upstreams', () => {
  const { key, cert } = makeSelfSigned('DNS:somewhere.else')
  const spki = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  const pin = `sha256/${createHash('sha256').update(spki).digest('base64')}`
  const other = `sha256/${createHash('sha256').update('another key').digest('base64')}`
  let app: Server
  let offered: string[] = []
  before(async () => {
    const chooseFirst = ({ protocols }: { protocols: string[] }): string | undefined => (offered = protocols)[0]
    app = createServer({ key, cert, ALPNCallback: chooseFirst }, (socket) => socket.on('error', () => {}).end())
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
  })
  after(() => app.close())

  /** Plans as a person would, then dials once. */
  function dial(options: Partial<TunnelOptions>, server: Server = app): Promise<DialFailure | 'connected'> {
    const upstream = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { tunnels } = planAgent({
      server: 'https://relay.example.com',
      authtoken: 'token',
      tunnels: [{ upstream, labels: ['edge=edg_x'], ...options }],
    })
    const [plan] = tunnels
    assert.ok(plan)
    return new Promise((resolve) => {
      prepareDial(
        plan.upstream,
        plan.upstreamTls,
        plan.upstreamProtocol,
      )(new PassThrough(), (outcome) => {
        if ('failure' in outcome) return resolve(outcome.failure)
        outcome.socket.destroy()
        resolve('connected')
      })
    })
  }

  it('connects if the upstream has the pinned key, whichever authority signed it', async () => {
    assert.equal(await dial({ upstreamPins: [pin] }), 'connected')
    assert.equal(await dial({ upstreamPins: [other, pin] }), 'connected')
  })

  it('refuses another key and says which one it saw', async () => {
    const failure = await dial({ upstreamPins: [other] })
    assert.ok(failure !== 'connected')
    assert.equal(failure.code, 'app_unreachable')
    assert.match(failure.reason, /^the key of 127\.0\.0\.1:\d+ is not the pinned one: it is sha256\//)
    assert.ok(failure.reason.endsWith(pin))
  })

  it('keeps a pin in spite of --no-upstream-tls-verify', async () => {
    assert.notEqual(await dial({ upstreamPins: [other], upstreamTlsVerify: false }), 'connected')
  })

  it('real-apps 5: says that the certificate lacks the name, if its authority is trusted', async () => {
    const failure = await dial({ upstreamCa: cert })
    assert.ok(failure !== 'connected')
    assert.equal(failure.code, 'app_unreachable')
    assert.match(failure.reason, /^the certificate of 127\.0\.0\.1:\d+ is for another name; .*--upstream-pin$/)
    const stranger = await dial({})
    assert.ok(stranger !== 'connected')
    assert.match(stranger.reason, /is not trusted \(.*--upstream-ca$/)
  })

  it('asks for HTTP/2 if the app must speak it, and refuses an app that does not', async () => {
    assert.equal(await dial({ upstreamPins: [pin], upstreamProtocol: 'http2' }), 'connected')
    assert.deepEqual(offered, ['h2'])
    assert.equal(await dial({ upstreamPins: [pin] }), 'connected')
    assert.deepEqual(offered, ['http/1.1'])
    const plain = createServer({ key, cert }, (socket) => socket.on('error', () => {}))
    plain.listen(0, '127.0.0.1')
    await once(plain, 'listening')
    const failure = await dial({ upstreamPins: [pin], upstreamProtocol: 'http2' }, plain)
    plain.close()
    assert.ok(failure !== 'connected')
    assert.match(failure.reason, /does not speak HTTP\/2; remove --upstream-protocol/)
  })

  it('reports options that exclude each other', () => {
    const plan = (options: Partial<TunnelOptions>) => () =>
      planAgent({
        server: 'https://relay.example.com',
        authtoken: 'token',
        tunnels: [{ upstream: 'https://localhost', labels: ['edge=edg_x'], ...options }],
      })
    assert.throws(plan({ upstreamPins: ['sha256/abc'] }), /--upstream-pin: "sha256\/abc" is not a pin\. Write sha256\//)
    assert.throws(plan({ upstreamPins: [pin], upstream: '8000' }), /--upstream-pin: Only an https upstream has a key/)
    assert.throws(plan({ upstreamPins: [pin], upstreamCa: cert }), /either --upstream-pin or --upstream-ca/)
    assert.throws(plan({ upstreamProtocol: 'http2', upstream: 'file:///tmp' }), /--upstream-protocol: A directory/)
  })
})
