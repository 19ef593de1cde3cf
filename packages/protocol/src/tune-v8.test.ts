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

// Which flags are set, once 64 MB live in the old generation, and once they are gone.
const GROWN = `
  const v8 = (await import('node:v8')).default
  const set = []
  v8.setFlagsFromString = (flag) => flag.includes('semi-space') || set.push(flag);
  (await import('node:module')).default.syncBuiltinESMExports()
  const { holdHeap } = await import(MODULE)
  holdHeap()
  const until = async (count) => {
    while (set.length < count) await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await new Promise((resolve) => setTimeout(resolve, 500))
  set.push('grown:')
  let kept = Array.from({ length: 80_000 }, (_, at) => Array(100).fill(at))
  gc()
  await until(2)
  set.push('gone:')
  kept = undefined
  gc()
  await until(4)
  console.log(set.join(' '))`

const MODULE = JSON.stringify(new URL('tune-v8.ts', import.meta.url).href)

async function outputOf(program: string, ...flags: string[]): Promise<string> {
  const args = [...flags, '--input-type=module', '--eval', program]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 })
  return stdout.trim()
}

async function youngMegabytesAfter(preparation: string): Promise<number> {
  return Number(await outputOf(preparation + BURST))
}

describe('holdHeap', () => {
  it('reliability 2: lets the heap grow to four times its live size only while it is small', async () => {
    assert.equal(
      await outputOf(GROWN.replace('MODULE', MODULE), '--expose-gc', '--max-semi-space-size=1'),
      'grown: --heap-growing-percent=0 gone: --heap-growing-percent=300',
    )
  })

  it('holds the young generation at two halves of 16 MiB, whatever survives', async () => {
    const tuned = await youngMegabytesAfter(
      `const { holdHeap, tuneForWork } = await import(${MODULE}); tuneForWork(); holdHeap();`,
    )
    assert.equal(tuned, 32)
    // So much it would be: this test must not go on passing where V8 does so by itself.
    assert.ok((await youngMegabytesAfter('')) > 32)
  })
})
