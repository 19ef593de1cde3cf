// Adds the made-up action of CONTRIBUTING.md to the tables, and checks everything that is derived from them.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { z } from 'zod'

import { configurationPage } from '../../../../scripts/configuration-page.ts'
import { parseConfig } from '../config/parse-config.ts'
import { ConfigError, RelayError } from '../errors.ts'
import type { Action } from '../exchange/action.ts'
import type { Exchange } from '../exchange/exchange.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { parseEndpoint } from '../model/parse-endpoint.ts'
import { edgeReader } from '../model/read-edges.ts'
import { buildPolicy } from './build-policy.ts'
import type { BuildersOf, PolicyParts } from './builder.ts'
import { BUILDERS } from './builders.ts'
import { visitingHoursKind } from './fixtures/visiting-hours/kind.ts'
import { visitingHours } from './fixtures/visiting-hours/visiting-hours.ts'
import { defineKind } from './kind.ts'
import { KINDS } from './kinds.ts'

// ── kinds.ts and builders.ts, one line each ──────────────────────────────────────────────────────────────────────

const kinds = { ...KINDS, 'visiting-hours': visitingHoursKind }
const builders: BuildersOf<typeof kinds> = { ...BUILDERS, 'visiting-hours': visitingHours }

const builderTable = (table: BuildersOf<typeof kinds>): unknown => table
// @ts-expect-error a kind that nothing builds does not compile
builderTable({ ...BUILDERS })
// @ts-expect-error nor does a builder that needs another configuration than its kind completes
builderTable({ ...BUILDERS, 'visiting-hours': ({ days }: { days: () => Action }) => days() })
// @ts-expect-error nor does a builder without a kind
builderTable({ ...builders, 'visiting-days': visitingHours })

const whole = {
  documentation: '',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: false,
  agentMayWrite: 'nothing',
  schema: z.strictObject({ from: z.int() }),
  complete: (config: { from: number }) => config,
  asks: () => undefined,
} as const
const { agentMayWrite: _agents, ...silentOnAgents } = whole
const { asks: _asks, ...silentOnVisitors } = whole
const { takesSecrets: _secrets, ...silentOnSecrets } = whole
const { documentation: _documentation, ...undocumented } = whole
defineKind(whole)
// @ts-expect-error a kind that does not say what agents may write does not compile
defineKind(silentOnAgents)
// @ts-expect-error nor does one that does not say what it asks of visitors
defineKind(silentOnVisitors)
// @ts-expect-error nor one that does not say whether it takes secrets
defineKind(silentOnSecrets)
// @ts-expect-error nor one without documentation
defineKind(undocumented)
// @ts-expect-error nor one that names an authority of providers, but not whom it asks
defineKind({ ...whole, complete: () => ({ provider_ca_file: '/etc/ca.pem' }) })
// @ts-expect-error nor one that lets agents write an unknown key
defineKind({ ...whole, agentMayWrite: ['fro'] })

// ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const PLACE = {
  id: 'edg_x',
  host: 'x.example.com',
  publicUrl: new URL('https://relay.example.com'),
  issuers: { problemOf: () => undefined },
  identityJwt: true,
}
const readEdges = edgeReader(kinds)

const request = (...actions: object[]): object => ({ on_http_request: [{ actions }] })
const hours = (config: object, type = 'visiting-hours'): object => ({ type, config })

function edgeWith(policy: object): EdgeConfig | undefined {
  const config = {
    domain: 'example.com',
    public_url: 'https://relay.example.com',
    listen: { http: 80 },
    store: 'sqlite:/var/lib/sallyport/relay.db',
    edges: [{ id: 'edg_x', hosts: ['x.example.com'], policy }],
  }
  return parseConfig(JSON.stringify(config), { source: '/etc/sallyport/relay.yml', env: {}, readEdges }).edges[0]
}

function problemsIn(policy: object): string[] {
  try {
    edgeWith(policy)
    return []
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path.replace(/^.*?actions/, 'actions')} ${message}`)
  }
}

/** Whether a visitor passes at an hour. */
async function passesAt(hour: number, policy: object): Promise<boolean> {
  const parts = { clock: () => Date.UTC(2026, 0, 1, hour) } as PolicyParts // the action takes no other
  const run = buildPolicy(edgeWith(policy)!.routes[0]!.policy, parts, builders)
  let passed = false
  try {
    await run({} as Exchange, async () => void (passed = true))
  } catch (error) {
    assert.ok(error instanceof RelayError && error.code === 'denied')
  }
  return passed
}

describe('an action that is added to the tables (the house, 2)', () => {
  it('is read and completed', () => {
    const edge = edgeWith(request(hours({ from: 8, holidays_file: 'days' })))
    const [action]: unknown[] = [...(edge?.routes[0]?.policy.on_http_request[0]?.actions ?? [])]
    assert.deepEqual(action, hours({ hours: { from: 8, until: 24 }, holidays_file: '/etc/sallyport/days' }))
  })

  it('has its bad input reported', () => {
    assert.match(problemsIn(request(hours({ from: 24 }))).join(), /actions\[0\]\.config\.from.* must be at most 23/)
    assert.match(problemsIn(request(hours({ fro: 8, from: 8 }))).join(), /config\.fro.* did you mean from\?/)
    assert.match(problemsIn(request(hours({ from: 9, until: 8 }))).join(), /config\.until.* is not behind from/)
    const nested = request(hours({ actions: [{ type: 'service-token' }, hours({ from: 9, until: 8 })] }, 'any-of'))
    assert.match(problemsIn(nested).join(), /actions\[0\]\.config\.actions\[1\]\.config\.until.* is not behind from/)
  })

  it('is suggested for a wrong spelling or name, and refused in a wrong place', () => {
    assert.match(problemsIn(request(hours({}, 'visitinghours'))).join(), /\(did you mean visiting-hours\?\)/)
    assert.match(problemsIn(request(hours({}, 'opening-times'))).join(), /\(did you mean visiting-hours\?\)/)
    const back = { on_http_response: [{ actions: [hours({ from: 8 })] }] }
    assert.match(problemsIn(back).join(), /visiting-hours decides about requests; put it under on_http_request/)
  })

  it('may come from an agent as far as its kind says so, inside other actions too', () => {
    const problemsOf = (policy: object, read = readEdges): string[] => {
      const parsed = parseEndpoint(policy, PLACE, read)
      return parsed.ok ? [] : parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`)
    }
    const operators = ': is possible only in the configuration of the relay'
    assert.deepEqual(problemsOf(request(hours({ from: 8, until: 18 }))), [])
    assert.deepEqual(problemsOf(request(hours({ from: 8, holidays_file: 'days' }))), [
      `on_http_request.0.actions.0.config.holidays_file${operators}`,
    ])
    assert.deepEqual(problemsOf(request(hours({ from: 8, until: 9 }))), [
      'on_http_request.0.actions.0.config: is less than two hours',
    ])

    const closed = edgeReader({ ...kinds, 'visiting-hours': { ...visitingHoursKind, agentMayWrite: 'nothing' } })
    assert.match(problemsOf(request(hours({ from: 8 })), closed).join(), /0\.type: visiting-hours is possible only in/)

    const open = { ...kinds, 'any-of': { ...KINDS['any-of'], agentMayWrite: ['actions'] as const } }
    const inside = hours({ actions: [hours({ from: 8 }), hours({ from: 8, holidays_file: 'days' })] }, 'any-of')
    assert.deepEqual(problemsOf(request(inside), edgeReader(open)), [
      `on_http_request.0.actions.0.config.actions.1.config.holidays_file${operators}`,
    ])
  })

  it('runs, alone and inside of any-of', async () => {
    const policy = request(hours({ from: 8, until: 18 }))
    assert.deepEqual(
      [await passesAt(7, policy), await passesAt(8, policy), await passesAt(18, policy)],
      [false, true, false],
    )
    const either = request(hours({ actions: [hours({ from: 8, until: 9 }), hours({ from: 20 })] }, 'any-of'))
    assert.deepEqual(
      [await passesAt(8, either), await passesAt(12, either), await passesAt(23, either)],
      [true, false, true],
    )
  })

  it('is documented', () => {
    const page = configurationPage(kinds)
    const sentences = /^### `visiting-hours`\n\n(.+)$/m.exec(page)?.[1]
    assert.equal(
      sentences,
      'Lets visitors pass at certain hours. For requests only. An agent may write it, but not `holidays_file`.',
    )
    assert.match(page, /^\| `config\.from` \| number \| \*\*required\*\* \| The first hour, in UTC\. \|$/m)
    assert.doesNotMatch(configurationPage(KINDS), /visiting-hours/)
  })
})
