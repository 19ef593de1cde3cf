// The keys and values of `backend:`, and the messages for wrong ones.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ConfigError } from '../errors.ts'
import type { BackendConfig } from './edge-config.ts'
import { parseConfig } from '../config/parse-config.ts'

const TOP = `
domain: example.com
public_url: https://relay.example.com
listen: { http: 0.0.0.0:80 }
`

function backend(yaml: string): BackendConfig | undefined {
  const text = `${TOP}edges: [{ id: edg_a, hosts: [a.example.com], backend: ${yaml} }]`
  return parseConfig(text, { source: 'relay.yml', env: {} }).edges[0]?.routes[0]?.backend
}

function problems(edge: string): string {
  try {
    parseConfig(`${TOP}edges: [{ id: edg_a, hosts: [a.example.com], ${edge} }]`, { source: 'relay.yml', env: {} })
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
  }
  return ''
}

const labels = (value: string): BackendConfig => ({ labels: new Map([['app', value]]) })

describe('backend:', () => {
  it('takes labels with a way to balance and a sticky cookie', () => {
    assert.deepEqual(backend('{ labels: { app: a }, balance: round_robin, sticky: { cookie: shop, max_age: 7d } }'), {
      ...labels('a'),
      balance: 'round_robin',
      sticky: { cookie: 'shop', max_age: 7 * 86_400_000 },
    })
  })

  it('takes a fixed response', () => {
    assert.deepEqual(backend('{ fixed_response: { status: 302, headers: { Location: "https://x.example" } } }'), {
      fixed_response: { status: 302, headers: { Location: 'https://x.example' }, body: '' },
    })
  })

  it('takes weighted and failover backends', () => {
    const yaml =
      '{ failover: [{ weighted: [{ backend: { labels: { app: a } }, weight: 90 }, { backend: { labels: { app: b }, balance: random }, weight: "10" }] }, { labels: { app: c } }, { fixed_response: { status: 503, body: Soon } }], sticky: { cookie: x } }'
    assert.deepEqual(backend(yaml), {
      failover: [
        {
          weighted: [
            { backend: labels('a'), weight: 90 },
            { backend: { ...labels('b'), balance: 'random' }, weight: 10 },
          ],
        },
        labels('c'),
        { fixed_response: { status: 503, headers: {}, body: 'Soon' } },
      ],
      sticky: { cookie: 'x' },
    })
  })

  const wrong: [what: string, yaml: string, expected: RegExp][] = [
    ['nothing', '{}', /edges\[0\]\.backend: leads nowhere; add labels, for example labels: \{ edge: edg_docs \}/],
    [
      'two kinds',
      '{ labels: { app: a }, fixed_response: { status: 200 } }',
      /\.backend: has both labels and fixed_response; keep one, or list them under failover or weighted/,
    ],
    ['an unknown way to balance', '{ labels: { app: a }, balance: least }', /balance: "least" is not possible here/],
    [
      'balance without labels',
      '{ balance: random, fixed_response: { status: 200 } }',
      /\.balance: is about tunnels; write it beside the labels/,
    ],
    ['a misspelt key', '{ labels: { app: a }, stickey: { cookie: a } }', /stickey: .*did you mean sticky\?/],
    ['a cookie of another shape', '{ labels: { app: a }, sticky: { cookie: a.b } }', /cookie: may contain 1 to 64/],
    ['no cookie', '{ labels: { app: a }, sticky: {} }', /sticky\.cookie: is missing; write for example shop/],
    [
      'a sticky fixed response',
      '{ fixed_response: { status: 200 }, sticky: { cookie: a } }',
      /\.sticky: means nothing for a fixed response; remove it/,
    ],
    [
      'stickiness inside',
      '{ failover: [{ labels: { app: a }, sticky: { cookie: a } }, { labels: { app: b } }] }',
      /no such key/,
    ],
    ['a failover of one', '{ failover: [{ labels: { app: a } }] }', /needs a second backend to fall over to/],
    [
      'what is never reached',
      '{ failover: [{ fixed_response: { status: 503 } }, { labels: { app: a } }] }',
      /failover\[0\]: always answers, so destinations after it are never reached/,
    ],
    ['an empty step', '{ failover: [{ labels: { app: a } }, {}] }', /failover\[1\]: leads nowhere/],
    [
      'weights that are all 0',
      '{ weighted: [{ backend: { labels: { app: a } }, weight: 0 }, { backend: { labels: { app: b } }, weight: 0 }] }',
      /weighted: has no weight above 0, so nobody would be served/,
    ],
    [
      'a weight too large',
      '{ weighted: [{ backend: { labels: { app: a } }, weight: 10001 }, { backend: { labels: { app: b } }, weight: 1 }] }',
      /weighted\[0\]\.weight: must be at most 10000/,
    ],
    [
      'an empty branch',
      '{ weighted: [{ backend: {}, weight: 1 }, { backend: { labels: { app: b } }, weight: 1 }] }',
      /weighted\[0\]\.backend: leads nowhere/,
    ],
    ['a status that is none', '{ fixed_response: { status: 101 } }', /status: must be at least 200/],
    ['a body where none may be', '{ fixed_response: { status: 204, body: x } }', /a 204 or 304 has no body; remove it/],
    [
      'a header that frames',
      '{ fixed_response: { status: 200, headers: { Content-Length: "5" } } }',
      /frames the message itself/,
    ],
    [
      'a header with a line break',
      '{ fixed_response: { status: 200, headers: { X-A: "a\\r\\nb" } } }',
      /without line breaks/,
    ],
  ]
  for (const [what, yaml, expected] of wrong) {
    it(`refuses ${what}`, () => assert.match(problems(`backend: ${yaml}`), expected))
  }

  it('refuses one cookie for two backends of an edge, but not for one backend in two places', () => {
    const routes = (second: string): string =>
      `routes: [{ path_prefix: /a, backend: { labels: { app: a }, sticky: { cookie: x } } }, { path_prefix: /b, backend: { labels: { app: ${second} }, sticky: { cookie: x } } }]`
    assert.equal(problems(routes('a')), '')
    assert.match(
      problems(routes('b')),
      /routes\[1\]\.backend\.sticky\.cookie: x is used on this edge with another backend/,
    )
  })
})
