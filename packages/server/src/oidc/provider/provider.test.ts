import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createNetServer, type AddressInfo } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import { createLog } from '../../log.ts'
import { startHostileProvider, type HostileProvider } from '../hostile-provider.test-support.ts'
import { ProviderUnreachable, providerFetch } from './provider-fetch.ts'
import { Provider } from './provider.ts'

const DISCOVERY = '/.well-known/openid-configuration'

describe('Provider', () => {
  let server: HostileProvider
  let now = 0
  const lines: string[] = []
  const open = (issuerUrl = server.issuer) =>
    new Provider({
      issuerUrl,
      fetch: providerFetch(300, issuerUrl),
      timeoutMs: 300,
      clock: () => now,
      log: createLog({ level: 'debug', format: 'json' }, { write: (line) => void lines.push(line) }),
    })
  const unreachable = (detail: RegExp) => (error: unknown) => {
    assert.ok(error instanceof RelayError)
    assert.equal(error.code, 'provider_unreachable')
    assert.match(error.detail ?? '', detail)
    return true
  }

  before(async () => {
    server = await startHostileProvider()
  })
  after(() => server.close())
  beforeEach(() => {
    server.behave = {}
    server.asked.length = 0
    lines.length = 0
    now = 1_000_000
  })

  it('is asked once, when first needed, even for simultaneous requests', async () => {
    const provider = open()
    assert.deepEqual(server.asked, [])
    await Promise.all([provider.describe(), provider.describe(), provider.describe()])
    now += 5 * 3_600_000
    await provider.describe()
    assert.deepEqual(server.asked, [DISCOVERY])
  })

  it('is left alone for 1, 2, 4 … 60 s after failures, and is back at once when it answers', async () => {
    const provider = open()
    server.behave = { answer: { [DISCOVERY]: (response) => void response.writeHead(503).end() } }
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      server.asked.length = 0
      await assert.rejects(provider.describe(), unreachable(/answered HTTP 503/))
      now += pause - 1
      await assert.rejects(provider.describe(), unreachable(/answered HTTP 503/))
      assert.deepEqual(server.asked, [DISCOVERY], `pause of ${pause} ms`)
      now += 1
    }
    server.behave = {}
    assert.equal((await provider.describe()).metadata.issuer, server.issuer)
    assert.match(lines.at(-1) ?? '', /identity provider is back/)
  })

  it('is used as last known if it cannot be asked again', async () => {
    const provider = open()
    const known = await provider.describe()
    now += 7 * 3_600_000
    server.behave = { answer: { [DISCOVERY]: (response) => void response.destroy() } }
    assert.equal(await provider.describe(), known)
    assert.equal(await provider.describe(), known)
  })

  it('that calls itself by another name is logged with the name to write', async () => {
    server.behave = { metadata: { issuer: 'https://login.example.com/' } }
    await assert.rejects(
      open().describe(),
      unreachable(/calls itself https:\/\/login\.example\.com\/; set issuer_url to https:\/\/login/),
    )
    assert.match(lines[0] ?? '', /set issuer_url to https:\/\/login\.example\.com\//)
    server.behave = { metadata: { issuer: 'acme.com' } } // FusionAuth by default
    await assert.rejects(open().describe(), unreachable(/calls itself "acme\.com", which is not a URL/))
  })

  it('B14: is suggested exactly as to be written, or not at all', async () => {
    const calls = async (issuer: string): Promise<string> => {
      server.behave = { metadata: { issuer } }
      const failed = await open()
        .describe()
        .catch((error: unknown) => error)
      assert.ok(failed instanceof RelayError)
      return failed.detail ?? ''
    }
    const exact = 'https://login.example.com/realms/St%61ff/00123'
    assert.ok((await calls(exact)).endsWith(`; set issuer_url to ${exact}`))
    for (const odd of [
      'https://login.example.com/\n',
      ' https://login.example.com',
      'https://login.example.com/\u001b[2J',
      `https://login.example.com/${'x'.repeat(600)}`,
      'https://login.example.com/?tenant=1',
      'https://ada:secret@login.example.com',
    ]) {
      const sentence = await calls(odd)
      assert.ok(sentence.endsWith(`; set its issuer to ${server.issuer} there`), sentence)
      assert.ok(sentence.length < 600 && !sentence.includes('\u001b'), sentence)
    }
  })

  it('B13: has no endpoint if the value is null', async () => {
    const metadata = {
      userinfo_endpoint: null,
      end_session_endpoint: null,
      id_token_signing_alg_values_supported: null,
    }
    server.behave = { metadata }
    const { metadata: read } = await open().describe()
    for (const name of Object.keys(metadata)) assert.ok(!(name in read), name)
    server.behave = { metadata: { token_endpoint: null } }
    await assert.rejects(open().describe(), unreachable(/has no token_endpoint/))
  })

  describe('behind a redirect', () => {
    const to = (location: string, status = 302) => ({
      [DISCOVERY]: (response: ServerResponse) => void response.writeHead(status, { location }).end(),
    })
    const document = async (path: string) => {
      const text = await (await fetch(`${server.issuer}${DISCOVERY}`)).text()
      server.asked.length = 0
      return { [path]: (response: ServerResponse) => void response.end(text) }
    }

    it('on the same origin is found, and the log names the redirect', async () => {
      for (const [status, location] of [
        [301, '/moved'],
        [302, `${server.issuer}/moved`],
        [307, '../moved'],
        [308, '/moved'],
      ] as const) {
        server.behave = {}
        server.behave = { answer: { ...(await document('/moved')), ...to(location, status) } }
        lines.length = 0
        assert.equal((await open().describe()).metadata.issuer, server.issuer)
        assert.deepEqual(server.asked, [DISCOVERY, '/moved'])
        assert.match(lines[0] ?? '', /"from":"[^"]*openid-configuration","to":"[^"]*\/moved".*behind a redirect/)
      }
    })

    it('is followed once, and must speak for the same issuer', async () => {
      const again = (response: ServerResponse) => void response.writeHead(302, { location: '/twice' }).end()
      server.behave = { answer: { ...to('/moved'), '/moved': again } }
      await assert.rejects(open().describe(), unreachable(/redirects to .*\/twice, and the relay follows only one/))
      assert.deepEqual(server.asked, [DISCOVERY, '/moved'])
      server.behave = {
        answer: { ...to('/moved'), '/moved': (response) => void response.end('{"issuer":"https://evil.example"}') },
      }
      await assert.rejects(open().describe(), unreachable(/calls itself https:\/\/evil\.example/))
    })

    it('to another origin is not followed: no byte gets there', async () => {
      const other = await startHostileProvider()
      try {
        const { host, port } = new URL(other.issuer)
        for (const location of [
          `${other.issuer}/moved`,
          `//${host}/moved`,
          `http://localhost:${new URL(server.issuer).port}/moved`,
          `${server.issuer.replace('//', '//ada:secret@')}/moved`,
          `http://[::1]:${port}/`,
          'ftp://127.0.0.1/',
          'javascript:alert(1)',
          `http://127.0.0.1:${new URL(server.issuer).port}0/`,
          '',
          'http://',
        ]) {
          server.behave = { answer: to(location) }
          server.asked.length = 0
          await assert.rejects(open().describe(), unreachable(/redirects to|HTTP 302/), location)
          assert.ok(!server.asked.includes('/moved'), location)
        }
        assert.deepEqual(other.asked, [])
      } finally {
        await other.close()
      }
    })
  })

  it('that serves every tenant is refused, though openid-client would take it', async () => {
    const provider = new Provider({
      issuerUrl: 'https://login.microsoftonline.com/common/v2.0',
      fetch: async () =>
        Response.json({
          issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0',
          token_endpoint: 'https://x.example',
        }),
      timeoutMs: 300,
      clock: () => now,
      log: createLog({ level: 'silent' }),
    })
    await assert.rejects(provider.describe(), unreachable(/serves every tenant; set issuer_url/))
  })

  it('with unusable endpoints is refused', async () => {
    server.behave = { metadata: { authorization_endpoint: 'javascript:alert(1)' } }
    await assert.rejects(
      open().describe(),
      unreachable(/authorization_endpoint, javascript:alert\(1\), is not an https URL/),
    )
    server.behave = { metadata: { token_endpoint: 'http://evil.example/token' } }
    await assert.rejects(open().describe(), unreachable(/token_endpoint, http:\/\/evil/))
    server.behave = { metadata: { jwks_uri: undefined } }
    await assert.rejects(open().describe(), unreachable(/no jwks_uri/))
  })

  it('that never answers, answers too much, redirects or is not there is unreachable', async () => {
    server.behave = { answer: { [DISCOVERY]: () => {} } }
    await assert.rejects(open().describe(), unreachable(/no answer within 0\.3 s/))
    server.behave = { answer: { [DISCOVERY]: (response) => void response.end('x'.repeat(1024 * 1024 + 1)) } }
    await assert.rejects(open().describe(), unreachable(/larger than 1048576 bytes/))
    const away = (response: ServerResponse) =>
      void response.writeHead(302, { location: 'https://a.example/login' }).end()
    server.behave = { answer: { [DISCOVERY]: away } }
    await assert.rejects(
      open().describe(),
      unreachable(/redirects to https:\/\/a\.example\/login, and the relay follows only one/),
    )
    server.behave = { answer: { [DISCOVERY]: (response) => void response.writeHead(404).end() } }
    await assert.rejects(open().describe(), unreachable(/HTTP 404.*is issuer_url right\?/))
    await assert.rejects(open('http://127.0.0.1:1').describe(), unreachable(/ECONNREFUSED/))
  })

  it('elsewhere is not asked over plain http', async () => {
    await assert.rejects(open('http://login.example.com').describe(), unreachable(/HTTPS/))
    await assert.rejects(providerFetch(300, 'http://10.0.0.1')('http://10.0.0.1/'), /is not https/)
  })

  it('hostile, that never ends its discovery document is cut off after a MiB', async () => {
    let sent = 0
    let gone: (() => void) | undefined
    const left = new Promise<void>((resolve) => (gone = resolve))
    server.behave = {
      answer: {
        [DISCOVERY]: (response) => {
          const more = () => {
            while (!response.destroyed && response.write(' '.repeat(65_536))) sent += 65_536
          }
          response.on('drain', more).on('close', () => gone?.())
          more()
        },
      },
    }
    await assert.rejects(open().describe(), unreachable(/larger than 1048576 bytes/))
    await left
    assert.ok(sent < 50 * 1024 * 1024, `${sent} bytes, of which the system's buffers hold what we did not read`)
  })

  it('hostile, that sends a byte at a time is given up at the deadline', async () => {
    let timer: NodeJS.Timeout | undefined
    const left = new Promise<void>((resolve) => {
      server.behave = {
        answer: {
          [DISCOVERY]: (response) => {
            timer = setInterval(() => response.write(' '), 20)
            response.on('close', resolve)
          },
        },
      }
    })
    await assert.rejects(open().describe(), unreachable(/no answer within 0\.3 s/))
    await left
    clearInterval(timer)
  })

  it('S2: hostile, with malformed answers is unreachable at once, and holds nothing', async () => {
    const answers: Record<string, string> = {
      'another protocol': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nabc',
      'a status below 100': 'HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\n{}',
      'a status above 599': 'HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}',
      'a 205 with a body': 'HTTP/1.1 205 Odd\r\nContent-Length: 2\r\n\r\n{}',
      'a chunk that is none': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n',
      'half of it': 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}',
      'nothing of HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
      nothing: '',
    }
    let answer = ''
    const odd = createNetServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    odd.listen(0, '127.0.0.1')
    await once(odd, 'listening')
    const url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}` // listening on TCP
    try {
      const fetch = providerFetch(5000, url)
      for (const [what, bytes] of Object.entries(answers)) {
        answer = bytes
        // More often than the limit of requests under way.
        for (let time = 0; time < 101; time++) await assert.rejects(fetch(`${url}/jwks`), ProviderUnreachable, what)
      }
      answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}and bytes behind it'
      assert.equal((await fetch(`${url}/jwks`)).status, 200)
    } finally {
      odd.close()
    }
  })

  it('hostile, that lets requests hang holds a hundred of them at most', async () => {
    const waiting: ServerResponse[] = []
    const hundred = new Promise<void>((resolve) => {
      server.behave = {
        answer: {
          '/jwks': (response) => {
            if (waiting.push(response) === 100) resolve()
          },
        },
      }
    })
    const fetch = providerFetch(60_000, server.issuer)
    const hanging = Array.from({ length: 100 }, () => fetch(`${server.issuer}/jwks`))
    await hundred
    await assert.rejects(fetch(`${server.issuer}/jwks`), /has not answered 100 requests yet/)
    for (const response of waiting) response.end('{}')
    await Promise.all(hanging)
    server.behave = {}
    assert.equal((await fetch(`${server.issuer}/jwks`)).status, 200, 'and is asked again when it has answered')
  })

  it('hostile, with internal addresses makes the relay dial none of them', async () => {
    // Instead of the relay's own admin listener, on this machine like the provider.
    let visits = 0
    const admin = createServer((_request, response) => {
      visits += 1
      response.end('{"keys":[]}')
    })
    admin.listen(0, '127.0.0.1')
    await once(admin, 'listening')
    const inside = `http://127.0.0.1:${(admin.address() as AddressInfo).port}` // listening on TCP
    try {
      const fetch = providerFetch(300, server.issuer)
      assert.equal((await fetch(`${server.issuer}/jwks`)).status, 200, 'the issuer itself may be here')
      for (const url of [
        inside,
        inside.replace('127.0.0.1', 'localhost'),
        inside.replace('127.0.0.1', 'a.localhost'),
      ]) {
        await assert.rejects(fetch(`${url}/api/v1/sessions`), /an internal address/, url)
        await assert.rejects(fetch(url, { method: 'POST', body: 'grant_type=x' }), /an internal address/, url)
      }
      server.behave = { answer: { '/jwks': (response) => void response.writeHead(302, { location: inside }).end() } }
      assert.equal((await fetch(`${server.issuer}/jwks`)).status, 302, 'redirects are not followed')
      // Hosts that a provider on the internet may not name, in any spelling.
      const outside = providerFetch(300, 'https://login.example.com')
      for (const host of [
        '127.0.0.1',
        '127.1',
        '0x7f000001',
        '2130706433',
        '[::1]',
        '[::ffff:127.0.0.1]',
        'localhost',
        '0.0.0.0',
        '169.254.169.254',
        '10.0.0.1',
        '192.168.0.1',
        '[fd00::1]',
      ]) {
        await assert.rejects(outside(`https://${host}:${new URL(inside).port}/`), /an internal address/, host)
      }
      assert.equal(visits, 0)
    } finally {
      admin.close()
    }
  })
})
