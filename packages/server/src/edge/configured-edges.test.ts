import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { Labels } from '@sallyport/protocol'

import type { EdgeConfig } from '../model/edge-config.ts'
import { createLog } from '../log.ts'
import type { PolicyParts } from '../policy/builder.ts'
import { PLAIN_LOOK } from '../pages/look.ts'
import { Registry } from '../tunnel/registry.ts'
import { ConfiguredEdges } from './configured-edges.ts'
import { EdgeTable } from './edge-table.ts'

const NO_POLICY = { on_http_request: [], on_http_response: [] }

describe('ConfiguredEdges', () => {
  it('finds the edges that lead to a tunnel, in the order of the configuration, each once (the first hour, 9)', () => {
    const edges = new ConfiguredEdges({
      edges: new EdgeTable(),
      registry: new Registry(),
      publicUrl: new URL('https://relay.example.com'),
      stickyKey: new Uint8Array(32),
      lookOf: () => PLAIN_LOOK,
      log: createLog({ level: 'silent' }),
    })
    const add = (id: string, ...selectors: Record<string, string>[]): void =>
      edges.add(
        {
          id,
          hosts: [`${id}.example.com`],
          routes: selectors.map((labels, index) => ({
            path_prefix: `/${index}`,
            policy: NO_POLICY,
            backend: { labels: new Map(Object.entries(labels)) },
          })),
        } as unknown as EdgeConfig, // what add() reads of one
        {} as PolicyParts, // no action asks for any
      )
    add('edg_b', { app: 'shop', zone: 'a' })
    add('edg_a', { zone: 'a' }, { zone: 'a' }, { app: 'shop' })
    add('edg_c', { app: 'shop', zone: 'b' })

    const found = (labels: Record<string, string>): string[] =>
      edges.edgesFor(new Map(Object.entries(labels)) satisfies Labels).map(({ id }) => id)
    assert.deepEqual(found({ zone: 'a', app: 'shop' }), ['edg_b', 'edg_a'])
    assert.deepEqual(found({ app: 'shop', zone: 'b', more: 'x' }), ['edg_a', 'edg_c'])
    assert.deepEqual(found({ zone: 'b' }), [])
    assert.deepEqual(edges.boundEdgesFor(new Map([['zone', 'a']])), [{ edge_id: 'edg_a', visitors: ['everybody'] }])
    for (let count = 0; count < 20; count++) add(`edg_${count}`, { many: 'edges' })
    assert.equal(edges.boundEdgesFor(new Map([['many', 'edges']])).length, 8, 'as many as a message has room for')
    assert.deepEqual(edges.urlsFor(new Map([['zone', 'a']])), ['https://edg_a.example.com'])
    assert.deepEqual(
      edges.known.slice(0, 3).map(({ groups }) => groups.length),
      [1, 2, 1],
    )
  })
})
