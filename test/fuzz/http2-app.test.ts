// S2, B3: an app that should speak HTTP/2 may do anything, at every moment of its connection, even while many requests
// with bodies are under way: its visitors get 502 or its answer, and the relay survives.

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'

import { fuzz } from './fuzz.ts'
import { Http2App, makePlot, showPlot } from './http2-app.ts'
import { RelayUnderFuzz } from './relay-under-fuzz.ts'
import { problemOf, visit } from './visitors.ts'

const LANES = 8 // each with an app and a tunnel of its own, so that a plot begins on a fresh connection
const LEAVE_MS = 20 // until the relay has heard that the app is gone

describe('an app that behaves oddly in HTTP/2', () => {
  const apps = Array.from({ length: LANES }, () => new Http2App())
  let relay: RelayUnderFuzz
  before(async () => {
    for (const { server } of apps) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    }
    relay = await RelayUnderFuzz.start({
      edges: apps.map((_, lane) => `app${lane}`),
      tunnels: apps.map(({ server }, lane) => ({
        upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on a port
        labels: [`edge=edg_app${lane}`],
        upstreamProtocol: 'http2' as const,
      })),
    })
  })
  after(async () => {
    await relay.close()
    for (const { server } of apps) server.close()
  })

  it('S2, B3: gives 502 and nothing else', async (test) => {
    await fuzz(test, {
      relay,
      sample: 300,
      lanes: LANES,
      make: makePlot,
      show: showPlot,
      async play(plot, number, lane) {
        const app = apps[lane]!
        app.begin(plot)
        const body = 'x'.repeat(plot.bodyBytes)
        const visits = await Promise.all(
          plot.visitors.map((visitor) => visit(visitor, relay.port, `app${lane}.localhost`, `/c${number}`, body)),
        )
        app.end()
        await new Promise((resolve) => setTimeout(resolve, LEAVE_MS))
        for (const [index, got] of visits.entries()) {
          const problem = problemOf(got)
          if (problem !== undefined) return problem
          const { status, isWhole } = got
          const who = `${plot.visitors[index]} gets ${status || 'no answer'}, ${JSON.stringify(got).slice(0, 400)}`
          if (plot.kind === 'healthy' && (status !== 200 || !isWhole)) return `behind a healthy app ${who}`
          if (plot.kind === 'hopeless' && status !== 502) return `behind a hopeless app ${who}`
        }
        return undefined
      },
    })
  })
})
