import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'

// A burst: 100 MB that survive, 200 kB in each turn of the event loop, for two seconds or more.
const BURST = `
  const { getHeapSpaceStatistics } = await import('node:v8')
  const kept = []
  for (let turn = 0; turn < 500; turn++) {
    for (let each = 0; each < 2000; each++) kept.push({ name: 'agent', numbers: [turn, each, turn + 1, each + 1] })
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
  const { space_size } = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  console.log(space_size / 1024 / 1024)`

// Which flags are set; it looks ten times as often as it does otherwise.
const WATCHED = `
  const v8 = (await import('node:v8')).default
  const { getHeapStatistics } = v8
  const { setInterval } = globalThis
  const said = []
  let looks = 0
  let beforeLook = () => {}
  v8.setFlagsFromString = (flag) => flag.includes('percent') && said.push(flag)
  v8.getHeapStatistics = () => {
    looks++
    beforeLook()
    return getHeapStatistics()
  }
  ;(await import('node:module')).default.syncBuiltinESMExports()
  globalThis.setInterval = (look, ms) => setInterval(look, ms / 10)
  const { holdHeap } = await import(MODULE)
  holdHeap()
  const until = async (isSo) => {
    const deadline = performance.now() + 10_000
    while (!isSo()) {
      if (performance.now() > deadline) throw new Error('waited in vain for a flag after: ' + said.join(' '))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const lookTimes = async (times) => {
    const wanted = looks + times
    await until(() => looks >= wanted)
  }
  const fill = () => Array.from({ length: 80_000 }, (_, at) => Array(100).fill(at)) // 64 MB`

// While 64 MB live in the old generation, and once they are gone; twice. Counts the full collections in between.
const GROWN = `
  const { PerformanceObserver, constants } = (await import('node:perf_hooks')).default
  let collections = 0
  const isWhole = ({ kind, flags }) =>
    kind === constants.NODE_PERFORMANCE_GC_MAJOR && flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED
  const count = (list) => (collections += list.getEntries().filter(({ detail }) => isWhole(detail)).length)
  new PerformanceObserver(count).observe({ entryTypes: ['gc'] })
  await lookTimes(15)
  said.push('grown:')
  let kept = fill()
  gc()
  await until(() => said.length === 2)
  await until(() => collections === 2) // gc(), and the collection that is due
  said.push('gone:')
  kept = undefined
  gc()
  await until(() => said.length === 4)
  said.push('again:')
  kept = fill()
  await until(() => said.length === 6)
  await lookTimes(15)
  await new Promise((resolve) => setTimeout(resolve, 50))
  console.log(said.join(' '), 'collected', collections, kept.length)`

// They live all the time; megabytes of buffers outside the heap come, stop, and come again.
const BULK = `
  const kept = fill()
  const buffers = []
  const transfer = () => buffers.push(Buffer.alloc(9 * 1024 * 1024))
  beforeLook = transfer
  gc()
  said.push('bulk:')
  await lookTimes(25)
  said.push('quiet:')
  beforeLook = () => {}
  const since = looks
  await until(() => said.length === 3)
  said.push('after', looks - since, 'looks, bulk:')
  beforeLook = transfer
  await until(() => said.length === 7)
  console.log(said.join(' '), kept.length)`

const MODULE = JSON.stringify(new URL('tune-v8.ts', import.meta.url).href)

async function outputOf(program: string, ...flags: string[]): Promise<string> {
  const args = [...flags, '--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
  return stdout.trim()
}

const flagsSetBy = (program: string): Promise<string> =>
  outputOf(WATCHED.replace('MODULE', MODULE) + program, '--expose-gc', '--max-semi-space-size=1')

async function youngMegabytesAfter(preparation: string): Promise<number> {
  return Number(await outputOf(preparation + BURST))
}

describe('holdHeap', () => {
  it('reliability 2: lets the heap grow to four times its live size only while it is small', async () => {
    assert.equal(
      await flagsSetBy(GROWN),
      'grown: --heap-growing-percent=20 gone: --heap-growing-percent=300 again: --heap-growing-percent=20 collected 3 80000',
    )
  })

  it('reliability 2: leaves it alone while buffers come and go by megabytes, and for a while after', async () => {
    const said = await flagsSetBy(BULK)
    assert.match(
      said,
      /^bulk: quiet: --heap-growing-percent=20 after 1\d looks, bulk: --heap-growing-percent=300 80000$/,
    )
  })

  it('holds the young generation at two halves of 16 MiB, whatever survives', async () => {
    // Compared with the size without tuning: this test must not pass if V8 limits itself.
    const [tuned, untuned] = await Promise.all([
      youngMegabytesAfter(`const { holdHeap, tuneForWork } = await import(${MODULE}); tuneForWork(); holdHeap();`),
      youngMegabytesAfter(''),
    ])
    assert.equal(tuned, 32)
    assert.ok(untuned > 32)
  })
})
