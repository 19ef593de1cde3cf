import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { redirectUri } from '../model/redirect-uri.ts'
import { IssuerReach } from '../config/issuer-reach.ts'
import { LimitRefusals } from '../exchange/limit-refusals.ts'
import { createLog } from '../log.ts'
import { PLAIN_LOOK } from '../pages/look.ts'
import { openStore } from '../store/open-store.ts'
import type { Store } from '../store/store.ts'
import type { Claimant, EndpointOpened, UrlBind } from '../tunnel/endpoint-binder.ts'
import { Registry } from '../tunnel/registry.ts'
import { Reservations } from '../tunnel/reservations.ts'
import { EdgeTable } from './edge-table.ts'
import { Endpoints } from './endpoints.ts'

const SIGN_IN = {
  on_http_request: [
    {
      actions: [{ type: 'openid-connect', config: { issuer_url: 'https://login.example.com', client_id: 'x' } }],
    },
  ],
}

const bindOf = (url: string, fields: Partial<UrlBind> = {}): UrlBind => ({
  type: 'bind',
  tunnel_id: 1,
  url,
  forwards_to: 'http://localhost:8000',
  host_header: 'preserve',
  upstream_protocol: 'http1',
  weight: 1,
  pooling: false,
  ...fields,
})

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

describe('endpoints', () => {
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
    endpoints: Endpoints
    edges: EdgeTable
    bind: (bind: UrlBind, agent: Claimant) => Promise<EndpointOpened>
    /** Resolves with the id of the edge whose sign-ins are forgotten next. */
    forgotten: Promise<string>
  }> {
    const edges = new EdgeTable()
    const { promise: forgotten, resolve } = Promise.withResolvers<string>()
    const endpoints = new Endpoints({
      edges,
      registry: new Registry(),
      reservations: reservations ?? (await Reservations.open(store)),
      publicUrl: new URL('https://relay.example.com:8443'),
      domain: 'example.com',
      originOf: (host) => `https://${host}:8443`,
      requireSignIn: false,
      cookieDomains: new Set(['apps.example.com']),
      issuers: new IssuerReach({
        public_url: new URL('https://relay.example.com:8443'),
        listen: {},
        endpoints: { private_issuers: [] },
      }),
      identityJwt: true,
      maxPerAuthtoken: 10,
      refusals: new LimitRefusals(createLog({ level: 'silent' })),
      hostKey: Buffer.alloc(32, 'k'),
      policyOf: () => (_, forward) => forward(),
      checkSignIn: async () => undefined,
      forgetSignIns: resolve,
      isValid: () => true,
      log: createLog({ level: 'silent' }),
      look: PLAIN_LOOK,
      onFault: assert.ifError,
      lingerMs,
    })
    const bind = async (wanted: UrlBind, agent: Claimant): Promise<EndpointOpened> => {
      const claim = await endpoints.claim(wanted, agent)
      const opened = claim.ok ? claim.open(() => {}) : claim
      assert.ok(opened.ok, opened.ok ? '' : opened.error.message)
      return opened
    }
    return { endpoints, edges, bind, forgotten }
  }

  it('stand from the first tunnel to a while after the last one, and are forgotten whole', async () => {
    const { endpoints, edges, bind, forgotten } = await make(1)
    const first = await bind(bindOf('https://a.example.com:8443', { policy: SIGN_IN }), agentOf('atk_1'))
    assert.equal(first.url, 'https://a.example.com:8443')
    assert.equal(first.redirectUri, redirectUri('https://relay.example.com:8443', 'https://login.example.com'))
    assert.equal(edges.find('a.example.com')?.id, first.edgeId)
    assert.equal(edges.find('b.example.com'), undefined)
    first.lane.retire()
    assert.equal(edges.find('a.example.com')?.id, first.edgeId, 'its agent may come back')
    assert.equal(await forgotten, first.edgeId)
    assert.equal(edges.find('a.example.com'), undefined)
    endpoints.close()
  })

  it('are the same edge for an agent that comes back, for the sessions of their visitors', async () => {
    const { endpoints, edges, bind } = await make(60_000)
    const first = await bind(bindOf('c.example.com'), agentOf('atk_1'))
    const edge = edges.find('c.example.com')
    first.lane.retire()
    const again = await bind(bindOf('c.example.com'), agentOf('atk_1', 'restarted'))
    assert.equal(edges.find('c.example.com'), edge)
    again.lane.retire()
    const changed = await bind(bindOf('c.example.com', { policy: SIGN_IN }), agentOf('atk_1'))
    assert.notEqual(edges.find('c.example.com'), edge)
    assert.deepEqual([again.edgeId, changed.edgeId], [first.edgeId, first.edgeId])
    endpoints.close()
  })

  it('get the same random host on every connection, and none that another agent or authtoken has', async () => {
    const { endpoints, bind } = await make(60_000)
    const urls = await Promise.all(
      [agentOf('atk_1'), agentOf('atk_1'), agentOf('atk_1', 'other'), agentOf('atk_2')].map((agent) =>
        bind(bindOf(''), agent).then(({ url }) => url),
      ),
    )
    assert.equal(new Set(urls).size, 3, urls.join())
    assert.equal(urls[0], urls[1])
    endpoints.close()
  })

  it('open once where two agents claim a host at the same time', async () => {
    const { endpoints, edges } = await make(60_000)
    const claims = await Promise.all(
      ['one', 'two'].map((instance) => endpoints.claim(bindOf('race.example.com'), agentOf('atk_1', instance))),
    )
    const opened = claims.map((claim) => (claim.ok ? claim.open(() => {}) : claim))
    assert.deepEqual(
      opened.map(({ ok }) => ok),
      [true, false],
    )
    assert.ok(edges.find('race.example.com'))
    endpoints.close()
  })

  it('are expected back after a restart of the relay, with nobody served meanwhile', async () => {
    const before_ = await make(60_000)
    const { edgeId } = await before_.bind(bindOf('back.example.com'), agentOf('atk_1'))
    before_.endpoints.close()
    const { endpoints, edges, bind } = await make(60_000)
    const waiting = edges.find('back.example.com')
    assert.equal(waiting?.id, edgeId)
    await assert.rejects(
      async () => waiting?.routeFor('/').policy(undefined as never, () => assert.fail('nobody is served')),
      /no_tunnel_online/,
    )
    await bind(bindOf('back.example.com'), agentOf('atk_1', 'restarted'))
    assert.notEqual(edges.find('back.example.com'), waiting)
    endpoints.close()
  })

  it('S12: are not expected back below a domain under which edges share sessions by now', async () => {
    const reservations = await Reservations.open(store)
    await reservations.take('old.apps.example.com', 'atk_1', () => false)
    await reservations.take('old.example.com', 'atk_1', () => false)
    const { endpoints, edges } = await make(60_000, reservations)
    assert.equal(edges.find('old.apps.example.com'), undefined)
    assert.ok(edges.find('old.example.com'))
    endpoints.close()
  })

  it('are not made for an agent that asks for one new host after the other', async () => {
    const { endpoints } = await make(60_000)
    const claims: boolean[] = []
    for (let count = 0; count < 61; count++) {
      const claim = await endpoints.claim(bindOf(`n${count}.example.com`), agentOf('atk_greedy'))
      claims.push(claim.ok)
    }
    assert.deepEqual(claims, [...Array<boolean>(60).fill(true), false])
    assert.ok((await endpoints.claim(bindOf('n59.example.com'), agentOf('atk_greedy'))).ok, 'one that it has')
    assert.ok((await endpoints.claim(bindOf('other.example.com'), agentOf('atk_modest'))).ok, 'another authtoken')
    endpoints.close()
  })

  it('are so many for an authtoken, and a new one takes the place of one whose agent is away, or none', async () => {
    const { endpoints, edges, bind } = await make(60_000)
    const opened: EndpointOpened[] = []
    for (let count = 0; count < 10; count++) {
      opened.push(await bind(bindOf(`m${count}.example.com`, { tunnel_id: count + 1 }), agentOf('atk_many')))
    }
    const more = bindOf('m10.example.com', { tunnel_id: 11 })
    const claim = await endpoints.claim(more, agentOf('atk_many'))
    assert.ok(!claim.ok && claim.error.message.includes('has 10 endpoints'), 'all of them are in use')
    assert.equal(edges.find('m10.example.com'), undefined)
    await bind(bindOf('theirs.example.com'), agentOf('atk_few'))
    opened[3]!.lane.retire()
    await bind(more, agentOf('atk_many'))
    assert.equal(edges.find('m3.example.com'), undefined)
    assert.ok(edges.find('m10.example.com'))
    endpoints.close()
  })

  it('do not have an agent of a stranger looked at', async () => {
    const { endpoints, bind } = await make(60_000)
    const confirm = (): Promise<void> => assert.fail('asked')
    await bind(bindOf('mine.example.com'), { ...agentOf('atk_1'), confirm })
    const claim = await endpoints.claim(bindOf('mine.example.com'), agentOf('atk_2'))
    assert.ok(!claim.ok && claim.error.code === 'bind_not_permitted')
    endpoints.close()
  })

  it('are refused while the store is down, and the agent may try again', async () => {
    const other = await openStore({ type: 'sqlite', path: join(folder, 'other.db') }, { onProblem: () => {} })
    const reservations = await Reservations.open(other)
    await other.close()
    const { endpoints } = await make(60_000, reservations)
    const claim = await endpoints.claim(bindOf(''), agentOf('atk_1'))
    assert.ok(!claim.ok && claim.error.retryable, 'retryable')
    endpoints.close()
  })
})
