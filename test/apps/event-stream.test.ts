// Server-sent events and long polling behind sign-in: the app's bytes leave at once, a leaving visitor is noticed, a
// returning visitor continues at the last event, and a session that ends cuts its streams.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { after, before, describe, it } from 'node:test'

import { lookupLocalhost } from '../support/browser/browser.ts'

import { ChromiumBrowser, NO_CHROMIUM } from '../support/browser/chromium-browser.ts'
import { ADA } from '../support/processes.ts'
import { signIn } from '../support/sign-in.ts'
import { SignedInApp, listen } from './signed-in-app.ts'

const EVENTS = 50

describe('event streams behind sign-in', { timeout: 90_000 }, () => {
  let app: SignedInApp
  let chromium: ChromiumBrowser | undefined
  const http = createServer()
  /** Requests that wait for the app, by path. */
  const arrivals = new Map<string, (arrival: { request: IncomingMessage; response: ServerResponse }) => void>()

  before(async () => {
    chromium = await ChromiumBrowser.start()
    http.on('request', (request, response) => {
      const path = request.url ?? ''
      const arrived = arrivals.get(path)
      if (!arrived) return void response.end('<!doctype html><title>The app</title>')
      if (path.startsWith('/events')) {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      }
      arrived({ request, response })
    })
    app = await SignedInApp.start(await listen(http))
  })
  after(async () => {
    await chromium?.close()
    await app?.close()
    http.close().closeAllConnections()
  })

  /** The next request for this path, at the app. */
  function arrival(path: string): Promise<{ request: IncomingMessage; response: ServerResponse }> {
    const { promise, resolve } = Promise.withResolvers<{ request: IncomingMessage; response: ServerResponse }>()
    arrivals.set(path, resolve)
    return promise
  }

  function ask(path: string, cookie = app.cookie): ClientRequest {
    const request = httpRequest(`${app.origin}${path}`, { lookup: lookupLocalhost, agent: false, headers: { cookie } })
    request.on('error', () => {}) // the test looks at the response
    request.end()
    return request
  }

  it('sends every event at once: the next is written when the previous one has been read', async () => {
    const atApp = arrival('/events/each')
    const request = ask('/events/each')
    const { response: feed } = await atApp
    feed.flushHeaders()
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.setEncoding('utf8')
    for (let number = 0; number < EVENTS; number++) {
      feed.write(`id: ${number}\ndata: ${'x'.repeat(number)}\n\n`)
      let event = ''
      while (!event.endsWith('\n\n')) event += String((await once(response, 'data'))[0])
      assert.equal(event, `id: ${number}\ndata: ${'x'.repeat(number)}\n\n`)
    }
    request.destroy()
  })

  it('tells the app soon that a visitor has left', async (test) => {
    for (const path of ['/events/leave', '/poll/leave']) {
      const atApp = arrival(path)
      const request = ask(path)
      const { response } = await atApp
      if (path.startsWith('/events')) {
        response.write('data: hello\n\n')
        await once(request, 'response')
      }
      const left = once(response, 'close')
      const started = performance.now()
      request.destroy()
      await left
      test.diagnostic(`${path}: ${(performance.now() - started).toFixed(1)} ms`)
    }
  })

  it('holds a long poll until the app has something to say', async () => {
    for (let round = 0; round < 3; round++) {
      const atApp = arrival('/poll/news')
      const request = ask('/poll/news')
      const { response: waiting } = await atApp
      const answered = once(request, 'response')
      const first = await Promise.race([answered, new Promise((resolve) => setTimeout(resolve, 50, 'nothing yet'))])
      assert.equal(first, 'nothing yet')
      waiting.end(`news ${round}`)
      const [response] = (await answered) as [IncomingMessage]
      response.setEncoding('utf8')
      assert.equal((await response.toArray()).join(''), `news ${round}`)
    }
  })

  it('attack 33: ends the streams of a visitor who signs out, and of nobody else', async () => {
    const other = await signIn(`${app.origin}/`)
    const streams = await Promise.all(
      [other.cookieHeader(app.origin), app.cookie].map(async (cookie, index) => {
        const atApp = arrival(`/events/${index}`)
        const request = ask(`/events/${index}`, cookie)
        const { response: feed } = await atApp
        feed.write('data: hello\n\n')
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        response.on('error', () => {}) // cut, as it should be
        response.resume()
        return { feed, response }
      }),
    )
    const [leaving, staying] = [streams[0]!, streams[1]!]
    const ended = Promise.all([leaving.response, leaving.feed].map(closed))
    await other.submit(await other.visit(new URL('/.sallyport/logout', app.origin)))
    await ended
    assert.equal(leaving.response.complete, false, 'cut, not ended as if the app had finished')
    const still = once(staying.response, 'data')
    staying.feed.write('data: still here\n\n')
    assert.equal(String((await still)[0]), 'data: still here\n\n')
    staying.response.destroy()
  })

  it('continues after the last event when a browser reconnects, even after the agent has died', async (test) => {
    if (!chromium) return test.skip(NO_CHROMIUM)
    const context = await chromium.privateWindow()
    const page = await context.newPage()
    await page.goto(app.origin)
    await page.getByLabel('Username').fill(ADA.username)
    await page.getByLabel('Password').fill(ADA.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${app.origin}/`)

    let atApp = arrival('/events/browser')
    await page.evaluate(`{
      window.seen = []
      new EventSource('/events/browser').onmessage = ({ lastEventId, data }) => seen.push(lastEventId + ' ' + data)
    }`)
    const first = await atApp
    assert.equal(first.request.headers['last-event-id'], undefined)
    first.response.write('retry: 50\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\n')
    await page.waitForFunction('seen.length === 2')

    atApp = arrival('/events/browser')
    first.response.end()
    const second = await atApp
    assert.equal(second.request.headers['last-event-id'], '2')
    second.response.write('id: 3\ndata: c\n\n')
    await page.waitForFunction('seen.length === 3')

    const third = arrival('/events/browser')
    await app.killAgent()
    await app.startAgent()
    // Until then the relay had no tunnel: an EventSource takes a 503 for the end, and a page opens another.
    await page.evaluate(
      `new EventSource('/events/browser').onmessage = ({ lastEventId, data }) => seen.push(lastEventId + ' ' + data)`,
    )
    ;(await third).response.write('id: 4\ndata: d\n\n')
    await page.waitForFunction('seen.length > 3')
    assert.deepEqual(await page.evaluate('seen'), ['1 a', '2 b', '3 c', '4 d'])
    await context.close()
  })
})

/** Unlike `once`, does not reject for an error that comes first. */
function closed(stream: IncomingMessage | ServerResponse): Promise<void> {
  return new Promise((resolve) => stream.once('close', resolve))
}
