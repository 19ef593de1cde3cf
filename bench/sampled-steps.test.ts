// Tests that samples of perf become shares of steps: each stack counts once, for the right step.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { sampledSteps } from './sampled-steps.ts'

const LOOP = ['         1619332 uv__read', '         160cbb7 uv_run', '         4d1215 node::Start']
const SYSTEM_CALL = ['ffffffff821ed511 do_syscall_64', 'ffffffff81000130 entry_SYSCALL_64_after_hwframe']
const PARSER = "    7f5c68221774 JS:*'parseHead file:///srv/server/dist/forward/response-parser.js:268:19"
const HTTP = "    7f5c68218f53 JS:*'parserOnIncoming node:_http_server:1167:26"
const SPLICE = '    7f5c68218f60 JS:* file:///srv/protocol/dist/splice.js:41:21'
const FRAMES = '    7f5c68218f70 JS:+startLoop /srv/node_modules/.pnpm/ws@8/node_modules/ws/lib/receiver.js:150:12'

/** The step that a stack counts to. */
async function stepOf(...frames: string[]): Promise<string | undefined> {
  const { steps } = await sampledSteps(['', ...frames])
  assert.equal(steps.length, 1)
  return steps[0]?.name
}

describe('a sampled stack', () => {
  it('in the kernel counts to the kernel, whoever called it: out for writes, in for the rest', async () => {
    const write = 'ffffffff816b98e5 ksys_write'
    assert.equal(await stepOf(write, ...SYSTEM_CALL, '   f838f __GI___libc_write', PARSER, ...LOOP), 'kernel, out')
    assert.equal(await stepOf('ffffffff816b98e5 do_writev', ...SYSTEM_CALL, PARSER, ...LOOP), 'kernel, out')
    assert.equal(await stepOf('ffffffff816b975a ksys_read', ...SYSTEM_CALL, '   f82ec read', ...LOOP), 'kernel, in')
    assert.equal(await stepOf('ffffffff81e2c481 ep_poll', ...SYSTEM_CALL, '   f82ec epoll_pwait'), 'kernel, in')
  })

  it('is recognised as a write even if the kernel hides its names', async () => {
    const hidden = 'ffffffff816b98e5 [unknown]'
    assert.equal(await stepOf(hidden, '   f838f __GI___writev', PARSER, ...LOOP), 'kernel, out')
    assert.equal(await stepOf(hidden, '   f838f write', PARSER, ...LOOP), 'kernel, out')
    const tryWrite = '  6f0e76 non-virtual thunk to node::LibuvStreamWrap::DoTryWrite(uv_buf_t**, unsigned long*)'
    assert.equal(await stepOf(hidden, '   f838f [unknown]', tryWrite, PARSER), 'kernel, out')
    assert.equal(await stepOf(hidden, '   f838f [unknown]', ...LOOP), 'kernel, in')
  })

  it('outside the kernel counts to the nearest JavaScript function, together with its calls', async () => {
    assert.equal(await stepOf(' 167cc66 Builtins_LoadIC_Megamorphic', PARSER, HTTP, ...LOOP), 'forward')
    assert.equal(await stepOf(' 7f5c6 RegExp:^[a-z]+$', PARSER, HTTP), 'forward')
    assert.equal(await stepOf(' 6ed269 node::StreamBase::WriteString<(node::encoding)4>', PARSER), 'forward')
    assert.equal(await stepOf(' f838f __GI___libc_write', PARSER), 'forward') // libc's part of it
    assert.equal(await stepOf(HTTP, PARSER, ...LOOP), 'node:http')
    assert.equal(await stepOf(SPLICE, ...LOOP), 'splice and carrier')
    assert.equal(await stepOf(FRAMES, ...LOOP), 'ws')
    assert.equal(await stepOf("    7f5c6 JS:*'eval", ...LOOP), 'other')
  })

  it('counts to the garbage collector even if JavaScript made it run', async () => {
    const collects = '  b10 v8::internal::Heap::CollectGarbage(v8::internal::AllocationSpace)'
    assert.equal(await stepOf(' a1 _int_free', collects, PARSER, ...LOOP), 'garbage collection')
    assert.equal(await stepOf(' a1 v8::internal::ScavengerCollector::JobTask::Run'), 'garbage collection')
    assert.equal(await stepOf(' a1 v8::internal::Heap::AllocateRaw', PARSER), 'forward')
  })

  it('without JavaScript counts to the compiler, to the parser of heads, or to Node.js', async () => {
    assert.equal(await stepOf(' a1 malloc', ' a2 v8::internal::compiler::GraphReducer::ReduceTop'), 'compiling')
    assert.equal(await stepOf(' a1 malloc', ' a2 llhttp__internal__run', ...LOOP), 'llhttp')
    assert.equal(await stepOf(...LOOP), 'native Node.js')
    assert.equal(await stepOf(' a1 [unknown]'), 'native Node.js')
  })
})

describe('sampled stacks', () => {
  it('become shares in the order of the walk, and a share of the kernel', async () => {
    const read = 'ffffffff816b975a ksys_read'
    const lines = [PARSER, ...LOOP, '', HTTP, '', '', read, '   f82ec read', '', PARSER, ''].values()
    const { steps, kernelShare, samples } = await sampledSteps(lines)
    assert.deepEqual(
      steps.map(({ name, share }) => [name, share]),
      [
        ['kernel, in', 0.25],
        ['node:http', 0.25],
        ['forward', 0.5],
      ],
    )
    assert.equal(kernelShare, 0.25)
    assert.equal(samples, 4)
  })

  it('are an error if there are none', async () => {
    await assert.rejects(sampledSteps(['', '']), /no samples/)
  })
})
