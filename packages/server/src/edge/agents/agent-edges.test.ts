import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { redirectUri } from '../../model/redirect-uri.ts'
import { IssuerReach } from '../../config/issuer-reach.ts'
import { LimitRefusals } from '../../exchange/limit-refusals.ts'
import { createLog } from '../../log.ts'
import { PLAIN_LOOK } from '../../pages/look.ts'
import { NO_SUPPLY } from '../../policy/engine/tree/demands.ts'
import { openStore } from '../../store/open-store.ts'
import type { Store } from '../../store/store.ts'
import type { BindWishes, Claimant, EndpointOpened, EndpointRefused } from '../../tunnel/endpoint-binder.ts'
import type { EndpointOffer, EndpointWish } from '../../tunnel/offer.ts'
import { Registry } from '../../tunnel/registry.ts'
import { Reservations } from '../../tunnel/reservations.ts'
import { buildEdge } from '../build-edge.ts'
import type { LivePolicyParts, EdgeParts } from '../build-edge.ts'
import { EdgeBook } from '../edge-book.ts'
import { EdgeTable } from '../edge-table.ts'
import { AgentEdges } from './agent-edges.ts'

const SIGN_IN = {
  on_http_request: [
    {
      actions: [{ type: 'openid-connect', config: { issuer_url: 'https://login.example.com', client_id: 'x' } }],
    },
  ],
}

const offerOf = (url: string, { number = 1, policy }: { number?: number; policy?: unknown } = {}): EndpointOffer => ({
  number,
  labels: [],
  forwardsTo: 'http://localhost:8000',
  hostHeader: 'preserve',
  upstreamProtocol: 'http1',
  weight: 1,
  endpoint: { url, pooling: false, policy, revision: 0 } satisfies EndpointWish,
})

const WANTED: BindWishes = { isWanted: () => true, onHealth: () => {} }

function agentOf(authtokenId: string, instanceId = 'agent'): Claimant {
  return {
    id: `tse_${instanceId}`,
    authtokenId,
    instanceId,
    authtoken: { id: authtokenId, acl: ['bind:*'], created_at: 0 },
    isResponsive: true,
    isGathering: false,
    isSilent: false,
    isLocal: true,
    openStream: () => assert.fail('no stream is opened here'),
    probe: () => {},
    confirm: async () => {},
  }
}

describe('AgentEdges', () => {
  let folder: string
  let store: Store

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-endpoints-'))
    store = await openStore({ type: 'sqlite', path: join(folder, 'relay.db') }, { onProblem: assert.fail })
  })
  after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })

  async function make(
    lingerMs: number,
    reservations?: Reservations,
  ): Promise<{
    endpoints: AgentEdges
    edges: EdgeTable
    bind: (offer: EndpointOffer, agent: Claimant) => Promise<EndpointOpened>
    /** Ignores the result. */
    ask: (offer: EndpointOffer, agent: Claimant) => Promise<EndpointOpened | EndpointRefused>
    /** Resolves with the id of the first edge that is closed. */
    closed: Promise<string>
    book: EdgeBook
    /** How many edges have been closed. */
    closedCount: () => number
  }> {
    const edges = new EdgeTable()
    const { promise: closed, resolve } = Promise.withResolvers<string>()
    let closedCount = 0
    const publicUrl = new URL('https://relay.example.com:8443')
    const book = new EdgeBook(edges)
    const room: EdgeParts = {
      registry: new Registry(),
      publicUrl,
      stickyKey: new Uint8Array(32),
      clientAuthorities: { of: () => [] },
      partsOf: (id) =>
        // Only the parts that these policies use.
        ({
          signIns: { action: () => (_, next) => next() },
          gates: () => [],
          life: {
            open: () => {},
            close: () => {
              closedCount++
              resolve(id)
            },
          },
        }) satisfies Partial<LivePolicyParts> as unknown as LivePolicyParts,
      lookOf: () => PLAIN_LOOK,
      retries: book.retries,
      log: createLog({ level: 'silent' }),
    }
    const endpoints = new AgentEdges({
      book,
      build: (config, brought) => buildEdge(config, room, brought),
      registry: room.registry,
      reservations: reservations ?? (await Reservations.open(store)),
      publicUrl,
      domain: 'example.com',
      originOf: (host) => `https://${host}:8443`,
      requireSignIn: false,
      supplyWith: () => NO_SUPPLY,
      cookieDomains: () => new Set(['apps.example.com']),
      issuers: new IssuerReach({
        public_url: publicUrl,
        listen: {},
        endpoints: { private_issuers: [] },
      }),
      identityJwt: true,
      endsTls: true,
      maxPerAuthtoken: 10,
      refusals: new LimitRefusals(createLog({ level: 'silent' })),
      hostKey: Buffer.alloc(32, 'k'),
      checkSignIn: async () => undefined,
      isValid: () => true,
      log: createLog({ level: 'silent' }),
      onFault: assert.ifError,
      lingerMs,
    })
    const ask = async (offer: EndpointOffer, agent: Claimant): Promise<EndpointOpened | EndpointRefused> =>
      (await endpoints.bind(offer, agent, WANTED)) ?? assert.fail('it is wanted')
    const bind = async (offer: EndpointOffer, agent: Claimant): Promise<EndpointOpened> => {
      const opened = await ask(offer, agent)
      assert.ok(opened.ok, opened.ok ? '' : opened.error.message)
      return opened
    }
    return { endpoints, edges, bind, ask, closed, book, closedCount: () => closedCount }
  }

  it('exist from the first tunnel until a while after the last one, and are forgotten whole', async () => {
    const { endpoints, edges, bind, closed } = await make(1)
    const first = await bind(offerOf('https://a.example.com:8443', { policy: SIGN_IN }), agentOf('atk_1'))
    assert.equal(first.state.url, 'https://a.example.com:8443')
    assert.equal(first.state.redirectUri, redirectUri('https://relay.example.com:8443', 'https://login.example.com'))
    assert.equal(edges.find('a.example.com')?.id, first.state.edgeId)
    assert.equal(edges.find('b.example.com'), undefined)
    first.lane.retire()
    assert.equal(edges.find('a.example.com')?.id, first.state.edgeId, 'its agent may come back')
    assert.equal(await closed, first.state.edgeId)
    assert.equal(edges.find('a.example.com'), undefined)
    endpoints.close()
  })

  it('are the same edge for an agent that comes back, for the sessions of their visitors', async () => {
    const { endpoints, edges, bind } = await make(60_000)
    const first = await bind(offerOf('c.example.com'), agentOf('atk_1'))
    const edge = edges.find('c.example.com')
    first.lane.retire()
    const again = await bind(offerOf('c.example.com'), agentOf('atk_1', 'restarted'))
    assert.equal(edges.find('c.example.com'), edge)
    again.lane.retire()
    const changed = await bind(offerOf('c.example.com', { policy: SIGN_IN }), agentOf('atk_1'))
    assert.notEqual(edges.find('c.example.com'), edge)
    assert.deepEqual([again.state.edgeId, changed.state.edgeId], [first.state.edgeId, first.state.edgeId])
    endpoints.close()
  })

  it('keep one edge and one timer, however often an agent comes back with another policy (the house, 4)', async (t) => {
    const { endpoints, bind, book, closedCount } = await make(60_000)
    const expected = book.size // the hosts of the tests before
    const timers = new Set<unknown>()
    const [begin, end] = [setTimeout, clearTimeout]
    t.mock.method(globalThis, 'setTimeout', (...of: Parameters<typeof setTimeout>) => {
      const timer = begin(...of)
      timers.add(timer)
      return timer
    })
    t.mock.method(globalThis, 'clearTimeout', (timer: NodeJS.Timeout | undefined) => {
      timers.delete(timer)
      end(timer)
    })
    for (let count = 0; count < 200; count++) {
      const policy = count % 2 === 0 ? SIGN_IN : undefined
      const { lane } = await bind(offerOf('d.example.com', { policy }), agentOf('atk_1', `agent ${count}`))
      lane.retire()
    }
    assert.deepEqual([book.size, closedCount(), timers.size], [expected + 1, 199, 1])
    endpoints.close()
    book.close()
    assert.deepEqual([book.size, closedCount(), timers.size], [0, expected + 200, 0])
  })

  it('get the same random host on every connection, and none that another agent or authtoken has', async () => {
    const { endpoints, bind } = await make(60_000)
    const urls = await Promise.all(
      [agentOf('atk_1'), agentOf('atk_1'), agentOf('atk_1', 'other'), agentOf('atk_2')].map((agent) =>
        bind(offerOf(''), agent).then(({ state }) => state.url),
      ),
    )
    assert.equal(new Set(urls).size, 3, urls.join())
    assert.equal(urls[0], urls[1])
    endpoints.close()
  })

  it('open once if two agents claim a host at the same time', async () => {
    const { endpoints, edges, ask } = await make(60_000)
    const opened = await Promise.all(
      ['one', 'two'].map((instance) => ask(offerOf('race.example.com'), agentOf('atk_1', instance))),
    )
    assert.deepEqual(
      opened.map(({ ok }) => ok),
      [true, false],
    )
    assert.ok(edges.find('race.example.com'))
    endpoints.close()
  })

  it('do not come online for an agent that has taken its offer back while the host was reserved (the house, 8)', async () => {
    const { endpoints, edges } = await make(60_000)
    const wishes = { ...WANTED, isWanted: () => false }
    assert.equal(await endpoints.bind(offerOf('late.example.com'), agentOf('atk_1'), wishes), undefined)
    assert.equal(edges.find('late.example.com'), undefined)
    endpoints.close()
  })

  it('are expected back after a restart of the relay, and serve no visitor meanwhile', async () => {
    const before_ = await make(60_000)
    const { state } = await before_.bind(offerOf('back.example.com'), agentOf('atk_1'))
    before_.endpoints.close()
    const { endpoints, edges, bind } = await make(60_000)
    const waiting = edges.find('back.example.com')
    assert.equal(waiting?.id, state.edgeId)
    await assert.rejects(
      async () => waiting?.routeFor('/').policy(undefined as never, () => assert.fail('nobody is served')),
      /no_tunnel_online/,
    )
    await bind(offerOf('back.example.com'), agentOf('atk_1', 'restarted'))
    assert.notEqual(edges.find('back.example.com'), waiting)
    endpoints.close()
  })

  it('S12: are not expected back below a domain whose edges now share sessions', async () => {
    const reservations = await Reservations.open(store)
    await reservations.take('old.apps.example.com', 'atk_1', () => false)
    await reservations.take('old.example.com', 'atk_1', () => false)
    const { endpoints, edges } = await make(60_000, reservations)
    assert.equal(edges.find('old.apps.example.com'), undefined)
    assert.ok(edges.find('old.example.com'))
    endpoints.close()
  })

  it('are not made for an agent that asks for one new host after another', async () => {
    const { endpoints, ask } = await make(60_000)
    const given: boolean[] = []
    for (let count = 0; count < 61; count++) {
      const asked = await ask(offerOf(`n${count}.example.com`), agentOf('atk_greedy'))
      if (asked.ok) asked.lane.retire() // its place is free for the next
      given.push(asked.ok)
    }
    assert.deepEqual(given, [...Array<boolean>(60).fill(true), false])
    assert.ok((await ask(offerOf('n59.example.com'), agentOf('atk_greedy'))).ok, 'one that it has')
    assert.ok((await ask(offerOf('other.example.com'), agentOf('atk_modest'))).ok, 'another authtoken')
    endpoints.close()
  })

  it('have a limit for each authtoken; a new one replaces only one whose agent is away', async () => {
    const { endpoints, edges, bind, ask } = await make(60_000)
    const opened: EndpointOpened[] = []
    for (let count = 0; count < 10; count++) {
      opened.push(await bind(offerOf(`m${count}.example.com`, { number: count + 1 }), agentOf('atk_many')))
    }
    const more = offerOf('m10.example.com', { number: 11 })
    const refused = await ask(more, agentOf('atk_many'))
    assert.ok(!refused.ok && refused.error.message.includes('has 10 endpoints'), 'all of them are in use')
    assert.equal(edges.find('m10.example.com'), undefined)
    await bind(offerOf('theirs.example.com'), agentOf('atk_few'))
    opened[3]!.lane.retire()
    await bind(more, agentOf('atk_many'))
    assert.equal(edges.find('m3.example.com'), undefined)
    assert.ok(edges.find('m10.example.com'))
    endpoints.close()
  })

  it('are refused to another authtoken without a check of their agent', async () => {
    const { endpoints, bind, ask } = await make(60_000)
    const confirm = (): Promise<void> => assert.fail('asked')
    await bind(offerOf('mine.example.com'), { ...agentOf('atk_1'), confirm })
    const refused = await ask(offerOf('mine.example.com'), agentOf('atk_2'))
    assert.ok(!refused.ok && refused.error.code === 'bind_not_permitted')
    endpoints.close()
  })

  it('are refused while the store is down, and the agent may try again', async () => {
    const other = await openStore({ type: 'sqlite', path: join(folder, 'other.db') }, { onProblem: () => {} })
    const reservations = await Reservations.open(other)
    await other.close()
    const { endpoints, ask } = await make(60_000, reservations)
    const refused = await ask(offerOf(''), agentOf('atk_1'))
    assert.ok(!refused.ok && refused.error.retryable, 'retryable')
    endpoints.close()
  })
})
