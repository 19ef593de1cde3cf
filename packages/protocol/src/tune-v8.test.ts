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

async function youngMegabytesAfter(preparation: string): Promise<number> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', preparation + BURST],
    { timeout: 30_000 },
  )
  return Number(stdout)
}

describe('holdYoungGeneration', () => {
  it('holds it at two halves of 16 MiB, whatever survives', async () => {
    const module = JSON.stringify(new URL('tune-v8.ts', import.meta.url).href)
    const tuned = await youngMegabytesAfter(
      `const { holdYoungGeneration, tuneForWork } = await import(${module}); tuneForWork(); holdYoungGeneration();`,
    )
    assert.equal(tuned, 32)
    // So much it would be: this test must not go on passing where V8 does so by itself.
    assert.ok((await youngMegabytesAfter('')) > 32)
  })
})
