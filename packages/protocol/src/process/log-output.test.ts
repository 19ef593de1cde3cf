import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { LogOutput } from './log-output.ts'
import { until } from '../../../../test/support/until.ts'

const NO_PIPES = process.platform === 'win32' && 'there are no named pipes here'

/** A pipe of the system's own, which is full after 64 KiB. */
class Pipe {
  readonly fd: number
  readonly #path: string
  #reading: number | undefined

  constructor(folder: string, name: string) {
    this.#path = join(folder, name)
    execFileSync('mkfifo', [this.#path])
    this.#reading = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
    this.fd = this.open()
  }

  /** For writing. */
  open(): number {
    return openSync(this.#path, constants.O_WRONLY | constants.O_NONBLOCK)
  }

  /** All its current content. */
  read(): string {
    const bytes = Buffer.alloc(1024 * 1024)
    let text = ''
    for (;;) {
      try {
        const count = this.#reading === undefined ? 0 : readSync(this.#reading, bytes)
        if (count === 0) return text
        text += bytes.toString('latin1', 0, count)
      } catch {
        return text // nothing more is in it (EAGAIN)
      }
    }
  }

  /** Reads until a text has come. */
  async readUntil(text: string): Promise<string> {
    let all = ''
    await until(`the pipe brings ${text}`, () => (all += this.read()).includes(text))
    return all
  }

  /** Stops reading for good. */
  breakOff(): void {
    if (this.#reading !== undefined) closeSync(this.#reading)
    this.#reading = undefined
  }

  mend(): void {
    this.#reading = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
  }
}

const lineOf = (index: number): string => `${String(index).padStart(6, '0')} ${'x'.repeat(1000)}\n`

describe('LogOutput', { timeout: 30_000, skip: NO_PIPES }, () => {
  let folder: string
  before(() => (folder = mkdtempSync(join(tmpdir(), 'sallyport-log-'))))
  after(() => rmSync(folder, { recursive: true }))

  it('writes the gathered lines after a while, or once there are enough', async () => {
    const pipe = new Pipe(folder, 'gather')
    const output = new LogOutput(pipe.fd, { gather: { bytes: 100, ms: 20 } })
    output.write('one\n')
    assert.equal(pipe.read(), '')
    assert.equal(await pipe.readUntil('one\n'), 'one\n')
    output.write('two\n')
    output.write(`${'3'.repeat(200)}\n`)
    await output.drained(1000)
    assert.equal(pipe.read(), `two\n${'3'.repeat(200)}\n`)
    assert.equal(output.droppedLines, 0)
  })

  it('also gathers while a piece is written, and writes no few lines when that ends', async () => {
    const pipe = new Pipe(folder, 'behind')
    const output = new LogOutput(pipe.fd, { gather: { bytes: 100, ms: 1_000_000 } })
    const enough = `${'1'.repeat(200)}\n`
    output.write(enough)
    output.write('few\n')
    assert.equal(await pipe.readUntil(enough), enough)
    for (let turn = 0; turn < 3; turn++) await stat(folder) // by a thread, as a write
    assert.equal(pipe.read(), '')
    output.write(enough)
    assert.equal(await pipe.readUntil(enough), `few\n${enough}`)
    output.write('few\n')
    await output.drained(1000)
    assert.equal(pipe.read(), 'few\n')
  })

  it('S9: holds a bounded amount for a stalled reader, counts the rest, and reports it afterwards', async () => {
    const pipe = new Pipe(folder, 'still')
    const told: number[] = []
    const output: LogOutput = new LogOutput(pipe.fd, {
      heldMaxBytes: 100_000,
      onDropped: (lines) => {
        told.push(lines)
        output.write(`${lines} lines are missing\n`)
      },
    })
    for (let index = 0; index < 1000; index++) {
      output.write(lineOf(index))
      if (index % 50 === 0) await sleep(1)
    }
    assert.ok(output.droppedLines > 600, `${output.droppedLines} were dropped`)
    assert.deepEqual(told, [])
    const text = await pipe.readUntil('lines are missing\n')
    assert.deepEqual(told, [output.droppedLines])
    const lines = text.trimEnd().split('\n')
    lines.pop()
    assert.equal(lines.length, 1000 - output.droppedLines)
    const numbers = lines.map((line) => Number(line.slice(0, 6)))
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      'in order',
    )
    for (const line of lines) assert.equal(line.length, lineOf(0).length - 1, 'whole')
  })

  it('issue 11: loses nothing if the reader keeps up, however often the pipe is full', async () => {
    const pipe = new Pipe(folder, 'bursts')
    const output = new LogOutput(pipe.fd, { heldMaxBytes: 500_000 })
    let text = ''
    let written = 0
    for (let burst = 0; burst < 15; burst++) {
      for (let line = 0; line < 200; line++) output.write(lineOf(written++)) // three times the capacity of the pipe
      for (let turn = 0; turn < 50; turn++) {
        await sleep(1)
        text += pipe.read()
      }
    }
    assert.equal(output.droppedLines, 0)
    const all = written * lineOf(0).length
    await until(`${all} characters come`, () => (text += pipe.read()).length >= all)
    assert.equal(text, Array.from({ length: written }, (_, index) => lineOf(index)).join(''))
  })

  it('B4: continues without a reader', async () => {
    const pipe = new Pipe(folder, 'gone')
    const output = new LogOutput(pipe.fd, { errorPauseMs: 20 })
    pipe.breakOff()
    for (let index = 0; index < 300; index++) output.write(lineOf(index))
    await until('300 lines are dropped', () => output.droppedLines >= 300)
    pipe.mend()
    output.write('there again\n')
    assert.equal(await pipe.readUntil('there again\n'), 'there again\n')
    assert.equal(output.droppedLines, 300)
  })

  it('B4: begins a new line if it had to stop in the middle of one', async () => {
    const pipe = new Pipe(folder, 'torn')
    const output = new LogOutput(pipe.fd, { errorPauseMs: 20 })
    for (let index = 0; index < 100; index++) output.write(lineOf(index))
    await sleep(50) // the pipe is full by now
    const before_ = pipe.read()
    assert.doesNotMatch(before_, /\n$/)
    closeSync(pipe.fd) // for any fault of a file
    await until('lines are dropped', () => output.droppedLines > 0)
    for (let index = 100; index < 110; index++) output.write(lineOf(index))
    const whole = before_.split('\n').length - 1
    await until('the others are dropped, too', () => output.droppedLines >= 110 - whole)
    assert.equal(pipe.open(), pipe.fd, 'the same number')
    output.write('whole again\n')
    assert.equal(await pipe.readUntil('whole again\n'), '\nwhole again\n')
    assert.equal(output.droppedLines, 110 - whole)
  })

  it('B4: continues if the disk is full', { skip: !existsSync('/dev/full') && 'needs /dev/full' }, async () => {
    const full = openSync('/dev/full', 'w')
    const told: number[] = []
    const output = new LogOutput(full, { errorPauseMs: 5, onDropped: (lines) => told.push(lines) })
    for (let index = 0; index < 100; index++) output.write(lineOf(index))
    await until('100 lines are dropped', () => output.droppedLines >= 100)
    assert.equal(output.droppedLines, 100)
    await output.drained(10) // and does not wait for room for ever
    assert.deepEqual(told, [])
    closeSync(full)
  })

  it('writes pieces of whole lines, small enough that those of several processes do not mix', async () => {
    const pipe = new Pipe(folder, 'pieces')
    const output = new LogOutput(pipe.fd, { pieceBytes: 4096, gather: { bytes: 1_000_000, ms: 20 } })
    const lines = Array.from({ length: 20 }, (_, index) => lineOf(index))
    for (const line of lines) output.write(line)
    await output.drained(1000)
    assert.equal(pipe.read(), lines.join(''))
  })

  it('S9: writes no control characters that JSON leaves unescaped', async () => {
    const pipe = new Pipe(folder, 'controls')
    const output = new LogOutput(pipe.fd)
    const said = 'grüße \u009b2J \u202e\u2028 \u{1f600}'
    output.write(`${JSON.stringify({ said })}\n`)
    await output.drained(1000)
    const line = Buffer.from(pipe.read(), 'latin1').toString('utf8')
    assert.match(line, /grüße \\u009b2J \\u202e\\u2028 \u{1f600}/u)
    assert.deepEqual(JSON.parse(line), { said })
  })
})
