// The agent's page equals its generator's output. The tables of metrics and of error codes have a row for each one in
// the code, with the same words.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'

import { Counts } from '../packages/server/src/admin/counts.ts'
import { Metrics } from '../packages/server/src/admin/metrics.ts'
import { ANSWERS } from '../packages/server/src/error-codes.ts'
import type { Answer } from '../packages/server/src/error-codes.ts'
import { RelayError } from '../packages/server/src/errors.ts'
import type { RelayErrorCode } from '../packages/server/src/errors.ts'
import { LastReload } from '../packages/server/src/operator/reload.ts'
import { PAGE_TEXTS } from '../packages/server/src/texts/page-texts.ts'
import { WorkerMetrics } from '../packages/server/src/workers/worker-metrics.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** The cells of every row that begins with a name in code. */
const rowsOf = (page: string): string[][] =>
  [...read(page).matchAll(/^\| `.*\|$/gm)].map(([line]) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )

interface Measured {
  name: string
  help: string
  type: string
  aggregator: string
  values: { labels: Record<string, unknown> }[]
}

describe('first-hour 20: docs/agent.md', () => {
  it('has every command, flag, variable and key of the agent, in its words', () => {
    const words = ['scripts/generate-agent-doc.ts', '--check']
    const { status, stderr } = spawnSync(process.execPath, words, { cwd: root, encoding: 'utf8' })
    assert.equal(status, 0, stderr)
  })
})

describe('first-hour 20: docs/metrics.md', () => {
  it('has every metric of the relay, with its type, its labels and its words', async () => {
    const counts = new Counts()
    const metrics = new Metrics(counts, {
      tunnelSessions: () => 0,
      tunnels: () => 0,
      tunnelsAside: () => 0,
      tunnelsUnhealthy: () => 0,
      tunnelsFailing: () => 0,
      retries: () => ({ granted: 0, refused: 0 }),
      edges: () => ({ serving: 1 }),
      lastReload: undefined, // as a worker's: the supervisor's gauges are those of a relay alone
      visitorSessions: () => 0,
      storeHealthy: () => true,
      limitRefusals: () => [['open_files', 1]],
      openFilesShort: () => false,
      hops: () => 0,
      logLinesDropped: () => 0,
      certificates: () => [{ file: 'example.com.crt', validTo: 0 }],
    })
    counts.count(500, 1, 'ERR_INTERNAL')
    counts.countFault('exchange')
    const all = (await metrics.json()) as Measured[] // as prom-client has it
    const own = all.filter(({ name }) => name.startsWith('sallyport_'))
    assert.ok(own.length > 10)
    const expected = own.map(({ name, type, values, aggregator, help }) => {
      const labels = new Set(values.flatMap((value) => Object.keys(value.labels)).filter((label) => label !== 'le'))
      return [name, type, [...labels].join(', '), aggregator, help]
    })
    const rows = rowsOf('docs/metrics.md')
    assert.deepEqual(
      rows.filter(([, , , aggregator]) => aggregator !== 'supervisor').toSorted(byName),
      expected.toSorted(byName),
    )

    const ofWorkers = new WorkerMetrics({
      measure: async () => [],
      serving: () => 2,
      restarts: () => 0,
      logLinesDropped: () => 0,
      lastReload: new LastReload(),
    })
    const text = await ofWorkers.text()
    const described = [...text.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm)]
    assert.deepEqual(
      rows.filter(([, , , aggregator]) => aggregator === 'supervisor').toSorted(byName),
      described
        .filter(([, name]) => !own.some((each) => each.name === name))
        .map(([, name = '', help = '', type = '']) => [name, type, '', 'supervisor', help])
        .toSorted(byName),
    )
  })
})

describe('first-hour 20: docs/errors.md', () => {
  it('has every code, with the status and the words that a visitor gets', () => {
    const table =
      /^export const ANSWERS = \{\n(.*?)^\} as const/ms.exec(read('packages/server/src/error-codes.ts'))?.[1] ?? ''
    const codes = [...table.matchAll(/^ {2}(\w+): \{/gm)].map(([, code]) => code as RelayErrorCode)
    assert.ok(codes.length > 20)
    const expected = codes.map((code) => {
      const error = new RelayError(code)
      const { again }: Answer = ANSWERS[code]
      return [error.publicCode, String(error.status), error.titleIn(PAGE_TEXTS.en), again ? 'yes' : 'no']
    })
    const rows = rowsOf('docs/errors.md')
    assert.deepEqual(
      rows.map((cells) => cells.slice(0, 4)),
      expected,
    )
    assert.deepEqual(
      rows.filter(([, , , , advice = '']) => advice.length < 20),
      [],
      'each says when it comes and what to do',
    )
  })
})

function byName([a = '']: string[], [b = '']: string[]): number {
  return a.localeCompare(b)
}
