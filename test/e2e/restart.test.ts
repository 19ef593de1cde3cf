// The relay ends and restarts: in order, by a second signal, by SIGKILL. Visitors and agents should notice as little as
// possible.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'

import { Browser, lookupLocalhost } from '../support/browser/browser.ts'

import { Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { signIn } from '../support/sign-in.ts'

describe('a relay that goes away and comes back', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server
  let url: string
  let authtoken: string
  let agents: RunningProcess[]
  /** A visitor with a session from the first test on. */
  let visitor: Browser | undefined
  /** Answers of the app to `/slow`, held until a test ends them. */
  const slow = new EventEmitter<{ asked: [ServerResponse] }>()

  before(async () => {
    app = createServer((request, response) => {
      if (request.url !== '/slow') return response.end('the app')
      response.write('first half, ')
      return slow.emit('asked', response)
    })
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startProvider()
    await processes.startRelay({ edges: [{ id: 'edg_app', hosts: ['app.localhost'], policy: processes.signIn() }] })
    authtoken = await processes.createAuthtoken('bind:edge=edg_app')
    url = `${processes.origin('app.localhost')}/`
  })
  // Fresh ones each time: an agent whose sessions keep breaking waits longer and longer.
  beforeEach(async () => {
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    const started = ['first', 'second'].map((name) =>
      processes.startAgent({ authtoken, labels: ['edge=edg_app'], upstream, name }),
    )
    agents = (await Promise.all(started)).map(({ process }) => process)
    visitor ??= await signIn(url)
  })
  afterEach(async () => {
    for (const agent of agents) agent.kill('SIGKILL')
    await Promise.all(agents.map(({ exited }) => exited))
  })
  after(async () => {
    await processes.close()
    app.close().closeAllConnections()
  })

  /** A download that has begun and waits for the app. */
  async function beginSlow(): Promise<{ answer: IncomingMessage; appResponse: ServerResponse }> {
    const asked = once(slow, 'asked')
    const request = httpRequest(new URL('/slow', url), {
      agent: false,
      lookup: lookupLocalhost,
      headers: { cookie: visitor?.cookieHeader(url) ?? '' },
    })
    const answered = once(request, 'response')
    request.end()
    const [answer] = (await answered) as [IncomingMessage]
    assert.equal(answer.statusCode, 200)
    const [appResponse] = (await asked) as [ServerResponse] // as the app emits
    return { answer, appResponse }
  }

  /** Everything is as before: the agents have reconnected, and no visitor must sign in again. */
  async function assertAllIsBack(): Promise<void> {
    await Promise.all(['first', 'second'].map((name) => processes.tunnelOnline(name)))
    const page = await visitor?.fetch(url)
    assert.equal(page?.status, 200, page?.body)
    assert.equal(page?.body, 'the app')
    const stranger = await new Browser().fetch(url)
    assert.equal(stranger.status, 401)
  }

  it('drains on SIGTERM: exchanges under way finish, no new ones are taken, agents reconnect after the restart', async () => {
    const { relay } = processes
    const { answer, appResponse } = await beginSlow()
    relay.kill('SIGTERM')
    await relay.waitForEntry('draining')

    const ready = await new Browser().fetch(`${processes.adminUrl}/readyz`)
    assert.equal(ready.status, 503)
    assert.equal(ready.body, 'draining\n')
    assert.equal((await new Browser().fetch(`${processes.adminUrl}/healthz`)).status, 200)
    const deadline = performance.now() + 10_000
    const isTaken = (): Promise<boolean> =>
      new Browser().fetch(url).then(
        () => true,
        (error: Error) => (assert.match(error.message, /ECONNREFUSED/, 'no new visitors'), false),
      )
    while (await isTaken()) assert.ok(performance.now() < deadline, 'those who come late are served for a moment only')
    assert.ok(relay.isRunning)

    appResponse.end('second half')
    assert.equal(await text(answer), 'first half, second half')
    assert.deepEqual(await relay.exited, { code: 0, signal: null })

    await processes.restartRelay()
    await assertAllIsBack()
  })

  it('ends at once on a second signal, with a request under way', async () => {
    const { relay } = processes
    const { answer } = await beginSlow()
    const cut = assert.rejects(text(answer), 'half an answer does not look like a whole one')
    relay.kill('SIGTERM')
    await relay.waitForEntry('draining')
    relay.kill('SIGTERM')
    assert.deepEqual(await relay.exited, { code: 1, signal: null })
    await cut

    await processes.restartRelay()
    await assertAllIsBack()
  })

  it('survives SIGKILL: sign-ins and sign-outs are kept, agents and visitors return', async () => {
    const { relay } = processes
    const { answer } = await beginSlow()
    const cut = assert.rejects(text(answer))
    // At the moment of the end: an acknowledged change is kept.
    const another = await signIn(url)
    const leaving = await signIn(url)
    const cookie = leaving.cookieHeader(url)
    await leaving.submit(await leaving.visit(new URL('/.sallyport/logout', url)))
    relay.kill('SIGKILL')
    assert.deepEqual(await relay.exited, { code: null, signal: 'SIGKILL' })
    await cut

    await processes.restartRelay()
    await assertAllIsBack()
    assert.equal((await another.fetch(url)).body, 'the app')
    assert.equal((await new Browser().fetch(url, { headers: { cookie } })).status, 401, 'who signed out stays so')
  })
})
