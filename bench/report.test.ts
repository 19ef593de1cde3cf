// The page says what was measured: tables, goals, and a chart.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { chart } from './report/chart.ts'
import { judge } from './report/goals.ts'
import { page } from './report/page.ts'
import { betterHalf, inRounds, medianBounds, medianOf } from './rounds.ts'
import type { Scenario } from './scenario.ts'

describe('rounds', () => {
  it('measure chains in turn, and leave out a chain once it has failed', async () => {
    const order: string[] = []
    const { measured, failed } = await inRounds([{ name: 'a' }, { name: 'b' }, { name: 'c' }], 2, ({ name }, round) => {
      order.push(name)
      if (name === 'b' && round === 0) throw new Error('no answer\nsecond line')
      return order.length
    })
    assert.deepEqual(order, ['a', 'b', 'c', 'a', 'c'])
    assert.deepEqual(
      [...measured],
      [
        ['a', [1, 4]],
        ['c', [3, 5]],
      ],
    )
    assert.deepEqual(failed, ['b failed: no answer'])
  })

  it('have a median, also of an even number of values, but none without values', () => {
    assert.equal(
      medianOf([9, 1, 5], (each) => each),
      5,
    )
    assert.equal(
      medianOf([9, 1, 5, 2], (each) => each),
      3.5,
    )
    assert.ok(Number.isNaN(medianOf([], () => 1)))
  })

  it('say how far off their median may be', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
    assert.deepEqual(medianBounds(hundred), { low: 41, high: 60 }) // the usual table: the 41st and the 60th value
    assert.deepEqual(medianBounds([7, 1, 3]), { low: 1, high: 7 })
    assert.deepEqual(medianBounds([5]), { low: 5, high: 5 })
    assert.ok(Number.isNaN(medianBounds([]).low))
  })

  it('have a better half, with the middle of an odd number', () => {
    const rate = (each: number): number => each
    assert.deepEqual(betterHalf([3, 9, 1, 5], rate), [9, 5])
    assert.deepEqual(betterHalf([3, 9, 1], rate), [9, 3])
    assert.deepEqual(betterHalf([], rate), [])
  })
})

describe('goals', () => {
  const row = (figures: Record<string, number>, what: string): string[] =>
    judge(figures).rows.find(([name]) => name === what) ?? []

  it('are reached, not reached, or not measured', () => {
    const what = 'Small requests at 50 connections, × nginx proxy_pass'
    const figures = (ours: number): Record<string, number> => ({
      'sallyport: requests/s at 50': ours,
      'nginx proxy_pass: requests/s at 50': 100,
    })
    assert.deepEqual(row(figures(80), what), [what, '≥ 0.75', '0.80', 'yes'])
    assert.deepEqual(row(figures(70), what), [what, '≥ 0.75', '0.70', '**no**'])
    assert.deepEqual(row({}, what), [what, '≥ 0.75', 'not measured', ''])
  })

  it('are judged by the printed figures', () => {
    const what = 'Added latency at 1,000 requests/s, p50'
    assert.deepEqual(row({ 'sallyport: added p50': 0.304 }, what), [what, '≤ 0.3 ms', '0.30 ms', 'yes'])
  })

  it('compare with the fastest tunnel that was measured', () => {
    const what = 'Download, × the fastest tunnel'
    const figures = { 'sallyport: download': 300, 'bore: download': 200, 'rathole: download': 400 }
    assert.deepEqual(row(figures, what), [what, '≥ 1', '0.75', '**no**'])
  })

  it('have their reason on the page, once, only if they are missed', () => {
    const { reasons } = judge({ 'sallyport: added p50': 1, 'sallyport: idle relay': 70e6 })
    assert.equal(reasons.length, 1)
    assert.match(reasons[0] ?? '', /^\*\*Latency\./)
  })
})

describe('the page', () => {
  const scenario = (name: string): Scenario => ({
    name,
    title: `Title of ${name}`,
    isCore: false,
    method: ({ rounds }) => `${rounds} rounds of it.`,
    run: () => Promise.reject(new Error('not run here')),
  })

  it('has a section for each measured scenario, and says how to measure the rest', () => {
    const findings = { tables: [{ head: ['chain', 'MB/s'], rows: [['direct', '7']] }], figures: {}, notes: ['A note.'] }
    const kept = { measuredAt: '2026-01-01', machine: 'a machine', loadBefore: 0.2, findings }
    const results = { one: { ...kept, plan: { rounds: 3, seconds: 2, isQuick: false } } }
    const text = page(results, [scenario('one'), scenario('two')], ['chisel (not here)'])
    assert.match(
      text,
      /## Title of one\n\n3 rounds of it\.\n\n\| chain  \| MB\/s \|\n[^\n]*\n\| direct \|    7 \|\n\nA note\./,
    )
    assert.doesNotMatch(text, /## Title of two/)
    assert.match(text, /- chisel \(not here\)\n- Title of two: `npm run bench -- --scenario two`/)
  })

  it('has a chart with a bar for every chain but the direct one', () => {
    const rates = { direct: 300, 'nginx proxy_pass': 200, sallyport: 100, bore: 150 }
    const svg = chart(Object.fromEntries(Object.entries(rates).map(([name, rate]) => [`${name}: download`, rate])))
    assert.deepEqual(
      [...svg.matchAll(/<rect class="(\w+)"[^>]* height="16"/g)].map(([, kind]) => kind),
      ['proxy', 'tunnel', 'ours'],
    )
    assert.match(svg, /prefers-color-scheme: dark/)
  })
})
