import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'
import type { Labels } from '@sallyport/protocol'

import { createLog } from '../log.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { PLAIN_LOOK } from '../pages/look.ts'
import { Registry } from '../tunnel/registry.ts'
import { buildEdge } from './build-edge.ts'
import type { Brought, LivePolicyParts } from './build-edge.ts'
import { ConfiguredEdges } from './configured-edges.ts'
import { EdgeBook } from './edge-book.ts'
import { EdgeTable } from './edge-table.ts'
import type { Edge } from './edge.ts'

const BROUGHT: Brought = {
  authtokenId: 'atk_1',
  secrets: new Map(),
  policyOf: () => (_, forward) => forward(),
  advice: (texts) => texts.instead.agentAway,
}

interface Wish {
  hosts?: readonly string[]
  /** The labels of each route. */
  selectors?: readonly Record<string, string>[]
  password?: string
}

function configOf(
  id: string,
  { hosts = [`${id}.example.com`], selectors = [{ edge: id }], password }: Wish = {},
): EdgeConfig {
  const credentials = [{ user: 'ada', password: new Secret(password ?? '') }]
  const signIn = { type: 'basic-auth', config: { credentials, enforce: true, forward_credentials: false } } as const
  return {
    id,
    hosts,
    routes: selectors.map((labels, index) => ({
      path_prefix: `/${index}`,
      policy: {
        on_http_request: password === undefined ? [] : [{ actions: [signIn] }],
        on_http_response: [],
      },
      backend: { labels: new Map(Object.entries(labels)) },
    })),
  }
}

/** A book, and the effects of its edges on the rooms around it. */
function open() {
  const [table, internal] = [new EdgeTable(), new EdgeTable()]
  const book = new EdgeBook(table, internal)
  const life: string[] = []
  const partsOf = (id: string): LivePolicyParts => ({
    // Only the parts that a password uses.
    ...({ edgeId: id, identify: () => undefined } as unknown as LivePolicyParts),
    gates: () => [],
    life: { open: () => void life.push(`${id} opens`), close: () => void life.push(`${id} closes`) },
  })
  const room = {
    registry: new Registry(),
    publicUrl: new URL('https://relay.example.com'),
    stickyKey: new Uint8Array(32),
    partsOf,
    clientAuthorities: { of: () => [] },
    lookOf: () => PLAIN_LOOK,
    retries: book.retries,
    log: createLog({ level: 'silent' }),
  }
  const build = (config: EdgeConfig, brought?: Brought): Edge => buildEdge(config, room, brought)
  const configured = new ConfiguredEdges(book, (config) => build(config))
  const ids = (): string[] => Array.from(book.known(), ({ id }) => id)
  return { table, internal, book, build, configured, life, ids, registry: room.registry }
}

describe('EdgeBook', () => {
  it('finds the edges of a tunnel, in the order of the configuration, each once (the first hour, 9)', () => {
    const { book, configured, ids } = open()
    const configs = [
      configOf('edg_b', { selectors: [{ app: 'shop', zone: 'a' }] }),
      configOf('edg_a', { selectors: [{ zone: 'a' }, { zone: 'a' }, { app: 'shop' }] }),
      configOf('edg_c', { selectors: [{ app: 'shop', zone: 'b' }] }),
    ]
    configured.set(configs)
    const found = (labels: Record<string, string>): string[] =>
      book.edgesFor(new Map(Object.entries(labels)) satisfies Labels).map(({ id }) => id)
    assert.deepEqual(found({ zone: 'a', app: 'shop' }), ['edg_b', 'edg_a'])
    assert.deepEqual(found({ app: 'shop', zone: 'b', more: 'x' }), ['edg_a', 'edg_c'])
    assert.deepEqual(found({ zone: 'b' }), [])
    assert.deepEqual(book.boundEdgesFor(new Map([['zone', 'a']])), [{ edge_id: 'edg_a', visitors: ['everybody'] }])
    assert.deepEqual(book.urlsFor(new Map([['zone', 'a']])), ['https://edg_a.example.com'])
    assert.deepEqual(
      Array.from(book.known(), ({ groups }) => groups.length),
      [1, 2, 1],
    )
    const many = Array.from({ length: 20 }, (_, index) => configOf(`edg_${index}`, { selectors: [{ many: 'edges' }] }))
    configured.set([...many, ...configs.toReversed()])
    assert.equal(book.boundEdgesFor(new Map([['many', 'edges']])).length, 8, 'as many as a message has room for')
    assert.deepEqual(ids().slice(-3), ['edg_c', 'edg_a', 'edg_b'])
    assert.deepEqual(found({ zone: 'a', app: 'shop' }), ['edg_a', 'edg_b'], 'in the order of now')
  })

  it('has internal endpoints of every source in a separate table, and leaves none behind', () => {
    const { table, internal, book, build, configured } = open()
    const brought = build(configOf('edg_agent', { hosts: ['b.a.internal'] }), BROUGHT)
    book.put('agents', brought)
    assert.equal(internal.find('b.a.internal'), brought)
    configured.set([configOf('edg_wild', { hosts: ['*.a.internal', 'x.internal'] }), configOf('edg_public', { hosts: ['internal.example.com'] })]) // prettier-ignore
    for (const host of ['b.a.internal', 'c.a.internal', 'x.internal', 'a.internal', 'internal.example.com']) {
      assert.equal(table.find(host)?.id, host === 'internal.example.com' ? 'edg_public' : undefined, host)
      const id = host === 'a.internal' || host === 'internal.example.com' ? undefined : 'edg_wild'
      assert.equal(internal.find(host)?.id, id, host)
    }
    configured.set([])
    assert.equal(internal.find('b.a.internal'), brought)
    book.close()
    assert.equal(internal.find('b.a.internal'), undefined)
  })

  it('keeps unchanged edges, swaps changed ones, and closes removed ones (the house, 4)', () => {
    const { table, book, configured, life, ids, registry } = open()
    configured.set([configOf('edg_a'), configOf('edg_b', { password: 'one' }), configOf('edg_c')])
    const [a, b, c] = [...book.known()] as [Edge, Edge, Edge]
    const kept = registry.select(new Map([['edge', 'edg_b']]))
    life.length = 0
    configured.set([configOf('edg_d'), configOf('edg_b', { password: 'two' }), configOf('edg_a')])
    assert.deepEqual(ids(), ['edg_d', 'edg_b', 'edg_a'])
    assert.deepEqual(life, ['edg_d opens', 'edg_b opens', 'edg_b closes', 'edg_c closes'])
    assert.equal(table.find('edg_a.example.com'), a)
    assert.notEqual(table.find('edg_b.example.com'), b, 'a secret counts, though it prints as ***')
    assert.equal(table.find('edg_c.example.com'), undefined)
    assert.equal(registry.select(new Map([['edge', 'edg_b']])), kept, 'the new one leads to the same list of tunnels')
    assert.notEqual(registry.select(new Map([['edge', 'edg_c']])), c.groups[0]?.selection)
    b.close()
    assert.equal(life.length, 4, 'closing twice changes nothing')
  })

  it('changes nothing if one of them cannot be built', () => {
    const { book, build, life, ids, registry } = open()
    const configured = new ConfiguredEdges(book, (config) => {
      if (config.id === 'edg_bad') throw new Error('cannot be built')
      return build(config)
    })
    configured.set([configOf('edg_a')])
    life.length = 0
    const new_ = configOf('edg_new')
    assert.throws(() => configured.set([configOf('edg_a', { hosts: ['x.example.com'] }), new_, configOf('edg_bad')]))
    assert.deepEqual(ids(), ['edg_a'])
    assert.deepEqual(life, ['edg_a closes', 'edg_new closes'], 'those that were built in vain')
    assert.deepEqual(book.urlsFor(new Map([['edge', 'edg_a']])), ['https://edg_a.example.com'])
    const [selection] = [...book.known()].flatMap(({ groups }) => groups.map((group) => group.selection))
    assert.equal(registry.select(new Map([['edge', 'edg_a']])), selection)
  })

  it('gives a host to an edge of the configuration before an agent, wildcards included, and back', () => {
    const { table, book, build, configured } = open()
    const hosts = ['x.apps.example.com']
    const theirs = build(configOf('edg_theirs', { hosts }), BROUGHT)
    book.put('agents', theirs)
    assert.equal(table.find('x.apps.example.com'), theirs)
    assert.equal(book.isConfigured('x.apps.example.com'), false)
    for (const ours of [hosts, ['*.apps.example.com'], ['*.example.com']]) {
      configured.set([configOf('edg_ours', { hosts: ours })])
      assert.equal(table.find('x.apps.example.com')?.id, 'edg_ours', ours[0])
      assert.equal(book.isConfigured('x.apps.example.com'), true)
      configured.set([])
      assert.equal(table.find('x.apps.example.com'), theirs)
    }
    configured.set([configOf('edg_ours', { hosts: ['*.example.com'] })])
    book.remove('agents', theirs)
    configured.set([])
    assert.equal(table.find('x.apps.example.com'), undefined)
  })

  it('gives a host to relay.yml before the store, and to the store before an agent', () => {
    const { table, book, build, configured, ids } = open()
    const hosts = ['x.example.com']
    const [agents, stored] = [
      build(configOf('edg_agent', { hosts }), BROUGHT),
      build(configOf('edg_stored', { hosts })),
    ]
    book.put('store', stored)
    book.put('agents', agents)
    assert.equal(table.find('x.example.com'), stored)
    assert.equal(book.hasConfigured('edg_stored'), true)
    configured.set([configOf('edg_file', { hosts })])
    assert.equal(table.find('x.example.com')?.id, 'edg_file')
    assert.deepEqual(ids(), ['edg_file', 'edg_stored', 'edg_agent'])
    configured.set([])
    assert.equal(table.find('x.example.com'), stored)
    book.remove('store', stored)
    assert.equal(table.find('x.example.com'), agents)
    assert.equal(book.size, 1)
  })

  it('moves a host from one edge to another in one turn', () => {
    const { table, configured } = open()
    configured.set([configOf('edg_a', { hosts: ['one.example.com', 'two.example.com'] }), configOf('edg_b')])
    configured.set([
      configOf('edg_b', { hosts: ['one.example.com'] }),
      configOf('edg_a', { hosts: ['two.example.com', 'edg_b.example.com'] }),
    ])
    assert.deepEqual(
      ['one', 'two', 'edg_b', 'edg_a'].map((name) => table.find(`${name}.example.com`)?.id),
      ['edg_b', 'edg_a', 'edg_a', undefined],
    )
  })

  it('allows upgrades that a current route allows', () => {
    const { book, configured } = open()
    const upgrading = (id: string): EdgeConfig => {
      const config = configOf(id)
      return { ...config, routes: config.routes.map((route) => ({ ...route, allow_upgrades: ['tailscale-control'] })) }
    }
    configured.set([upgrading('edg_a'), upgrading('edg_b')])
    configured.set([upgrading('edg_b')])
    assert.equal(book.allowsUpgrade('tailscale-control'), true)
    configured.set([configOf('edg_b')])
    assert.equal(book.allowsUpgrade('tailscale-control'), false)
  })

  it('also counts the retries of removed edges', () => {
    const { book, configured } = open()
    configured.set([configOf('edg_a')])
    const [edge] = book.known()
    for (let count = 0; count < 120; count++) edge?.routes[0]?.backend.budget.take(0)
    assert.deepEqual(book.retries, { granted: 100, refused: 20 })
    configured.set([])
    assert.deepEqual(book.retries, { granted: 100, refused: 20 })
  })
})
