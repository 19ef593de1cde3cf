import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, describe, it } from 'node:test'

import { planAgent } from '../plan/agent-plan.ts'
import type { AgentOptions } from '../plan/agent-plan.ts'
import { diagnose } from './diagnose.ts'
import type { Finding } from './diagnose.ts'
import { FakeRelay } from '../fixtures/fake-relay.ts'
import type { Answer } from '../fixtures/fake-relay.ts'

const closing: (() => unknown)[] = []
after(() => Promise.all(closing.map((close) => close())))

/** The findings if the relay, or another server at its address, gives this answer; undefined: as a relay does. */
async function findings(answer?: Answer, options: Partial<AgentOptions> = {}): Promise<Record<string, Finding>> {
  const relay = await FakeRelay.start({ answer: () => answer })
  closing.push(() => relay.kill())
  const server = (options.server ?? relay.url).replace('PORT', String(relay.port))
  const found: Record<string, Finding> = {}
  await diagnose(planAgent({ authtoken: 'sp_hush', tunnels: [], ...options, server }), (finding) => {
    found[finding.check] = finding
  })
  assert.doesNotMatch(JSON.stringify(found), /hush/)
  return found
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port // it listens on a port
}

const refusal = (code: string): string => JSON.stringify({ code, detail: 'So it is.' })

describe('diagnose', () => {
  it('first-hour 21: compares the clock with the date of the answer, even if that is a refusal', async () => {
    const cases: [number | undefined, Finding['verdict'], RegExp][] = [
      [0, 'ok', /^within [012] s/],
      [-60, 'warn', /clock is \d\d s ahead of/],
      [60, 'warn', /clock is \d\d s behind/],
      [-300, 'fail', /clock is 30\d s ahead of .* NTP/],
      [undefined, 'ok', /^not compared/],
    ]
    for (const [offset, verdict, sentence] of cases) {
      const date = offset === undefined ? {} : { Date: new Date(Date.now() + offset * 1000).toUTCString() }
      const { clock } = await findings({ status: 401, headers: date, body: refusal('authtoken_refused') })
      assert.equal(clock?.verdict, verdict, `${offset}`)
      assert.match(clock.text, sentence)
    }
  })

  it('first-hour 21: tells whose fault an answer is', async () => {
    const cases: [Answer, Record<string, Finding['verdict']>][] = [
      [
        { status: 401, body: refusal('authtoken_refused') },
        { WebSocket: 'ok', authtoken: 'fail', protocol: 'untried' },
      ],
      [
        { status: 400, body: refusal('version_unsupported') },
        { WebSocket: 'ok', authtoken: 'untried', protocol: 'fail' },
      ],
      // A captive portal, a firewall, another server.
      [{ status: 403 }, { WebSocket: 'fail', authtoken: 'untried', protocol: 'untried' }],
      [{ status: 404 }, { WebSocket: 'fail', authtoken: 'untried', protocol: 'untried' }],
      [
        { status: 503, body: refusal('draining') },
        { WebSocket: 'fail', authtoken: 'untried', protocol: 'untried' },
      ],
    ]
    for (const [answer, expected] of cases) {
      const found = await findings(answer)
      for (const [check, verdict] of Object.entries(expected)) {
        assert.equal(found[check]?.verdict, verdict, `${answer.status} ${check}`)
      }
      assert.equal(found['tcp']?.verdict, 'ok')
      assert.equal(found['app']?.verdict, 'untried')
    }
  })

  it('first-hour 21: warns of a network that reads along, and of a proxy that cannot be used', async () => {
    const proxy = createServer()
    proxy.on('connect', (request, visitor: Socket) => {
      const target = connect(Number(request.url?.split(':').at(-1)), '127.0.0.1', () => {
        visitor.write('HTTP/1.1 200 Connection established\r\n\r\n')
        visitor.pipe(target).pipe(visitor)
      })
    })
    const proxyUrl = `http://localhost:${await listen(proxy)}`
    const {
      proxy: passed,
      name,
      tcp,
      tls,
      protocol,
    } = await findings(undefined, {
      server: 'http://relay.example.com:PORT',
      proxyUrl,
    })
    assert.match(`${passed?.text} ${name?.text}`, /has connected to relay\.example\.com.* localhost is .*127\.0\.0\.1/)
    assert.equal(tcp, undefined)
    assert.equal(tls?.verdict, 'warn')
    assert.equal(protocol?.verdict, 'ok')

    const environment = { ALL_PROXY: 'socks5://u:hush@proxy.example.com' }
    const direct = await findings(undefined, { server: 'http://127.0.0.2:PORT', environment })
    assert.equal(direct['proxy']?.verdict, 'ok', 'none is asked for a relay on this machine')
    const far = await findings(undefined, { server: 'https://relay.invalid', environment })
    assert.equal(far['proxy']?.verdict, 'warn')
    assert.equal(far['name']?.verdict, 'fail')
  })

  it('first-hour 21: looks at the app', async () => {
    const port = await listen(createServer((_, response) => response.writeHead(500).end()))
    const cases: [string, Finding['verdict'], RegExp][] = [
      [`${port}`, 'warn', /answered 500 at http:\/\/localhost:\d+\. Its own log says why/],
      [`https://127.0.0.1:${port}`, 'fail', /does not speak TLS/],
      ['unix:/nowhere/app.sock', 'fail', /there is no socket at/],
      ['file:///nowhere', 'fail', /nowhere/],
    ]
    for (const [upstream, verdict, sentence] of cases) {
      const { app } = await findings(undefined, { tunnels: [{ upstream, labels: ['a=b'] }] })
      assert.equal(app?.verdict, verdict, upstream)
      assert.match(app.text, sentence)
    }
  })
})
