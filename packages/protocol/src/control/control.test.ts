import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseControlMessage } from './control.ts'
import type { Bind, ControlMessageInput } from './control.ts'
import { ProtocolError } from '../process/errors.ts'

const parse = (value: unknown): ReturnType<typeof parseControlMessage> =>
  parseControlMessage(Buffer.from(JSON.stringify(value)))
const isViolation = (error: unknown): boolean => error instanceof ProtocolError && error.code === 'control_violation'

const bind: ControlMessageInput = {
  type: 'bind',
  tunnel_id: 1,
  labels: [['edge', 'edg_docs']],
  forwards_to: 'http://localhost:8000',
}

describe('parseControlMessage', () => {
  it('fills in optional fields of a bind', () => {
    const message = parse(bind) as Bind
    assert.equal(message.host_header, 'preserve')
    assert.equal(message.upstream_protocol, 'http1')
    assert.equal(message.weight, 1)
    assert.equal(message.pooling, false)
  })

  it('ignores fields that a newer peer may send', () => {
    const message = parse({ ...bind, colour: 'blue' })
    assert.equal(message?.type, 'bind')
    assert.ok(!('colour' in (message ?? {})))
  })

  it('ignores unknown messages, unless they say that they are critical', () => {
    assert.equal(parse({ type: 'sing' }), undefined)
    assert.equal(parse({ type: 'sing', critical: false }), undefined)
    assert.throws(() => parse({ type: 'sing', critical: true }), isViolation)
  })

  it('requires either labels or a url', () => {
    assert.throws(() => parse({ ...bind, url: 'https://a.example.com' }), isViolation)
    assert.throws(() => parse({ ...bind, labels: undefined }), isViolation)
    assert.equal(parse({ ...bind, labels: undefined, url: 'https://a.example.com' })?.type, 'bind')
  })

  it('attack 37: a label named __proto__ stays a label and changes no object', () => {
    const message = parseControlMessage(
      Buffer.from(
        '{"type":"bind","tunnel_id":1,"forwards_to":"x","labels":[["__proto__","polluted"]],"__proto__":{"weight":9}}',
      ),
    ) as Bind
    assert.deepEqual(message.labels, [['__proto__', 'polluted']])
    assert.equal(message.weight, 1)
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
  })

  const garbage: [string, string][] = [
    ['nothing', ''],
    ['half an object', '{"type":"bind"'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '7'],
    ['no type', '{}'],
    ['a type that is not text', '{"type":{}}'],
    ['a type named __proto__ that is critical', '{"type":"__proto__","critical":true}'],
    ['a bind without anything', '{"type":"bind"}'],
    ['labels as an object', '{"type":"bind","tunnel_id":1,"forwards_to":"x","labels":{"edge":"a"}}'],
    ['a label of three parts', '{"type":"bind","tunnel_id":1,"forwards_to":"x","labels":[["a","b","c"]]}'],
    ['tunnel 0', '{"type":"unbind","tunnel_id":0}'],
    ['tunnel 2^32', '{"type":"unbind","tunnel_id":4294967296}'],
    ['tunnel 1.5', '{"type":"unbind","tunnel_id":1.5}'],
    ['a weight below zero', '{"type":"bind","tunnel_id":1,"forwards_to":"x","labels":[],"weight":-1}'],
    ['100 000 brackets', '['.repeat(50_000) + ']'.repeat(50_000)],
    ['bytes that are not UTF-8', '\ufffd\ufffd'],
  ]
  for (const [what, text] of garbage) {
    it(`attack 36: ${what} is a violation, not a crash`, () => {
      assert.throws(() => parseControlMessage(Buffer.from(text)), isViolation)
    })
  }

  it('bounds the list of problems of a policy', () => {
    const refused = { type: 'refused', tunnel_id: 1, code: 'bind_invalid', reason: 'x', retryable: false }
    const problem = { path: ['on_http_request', 0, 'actions'], message: 'is missing' }
    assert.deepEqual(parse({ ...refused, problems: [problem] }), { ...refused, problems: [problem] })
    for (const problems of [
      Array.from({ length: 65 }, () => problem),
      [{ ...problem, message: 'x'.repeat(513) }],
      [{ ...problem, path: Array.from({ length: 33 }, () => 'a') }],
      [{ ...problem, path: [{}] }],
      'everything',
    ]) {
      assert.throws(() => parse({ ...refused, problems }), isViolation)
    }
  })

  it('takes a bounded list of edges from a relay, and none from an older one (the first hour, 16)', () => {
    const bound = { type: 'bound', tunnel_id: 1, endpoints: ['https://docs.example.com'] }
    const edge = { edge_id: 'edg_docs', visitors: ['everybody'] }
    assert.deepEqual(parse(bound), bound)
    assert.deepEqual(parse({ ...bound, edges: [{ ...edge, colour: 'later' }] }), { ...bound, edges: [edge] })
    for (const edges of [
      Array.from({ length: 9 }, () => edge),
      [{ ...edge, visitors: Array.from({ length: 5 }, () => 'x') }],
      [{ ...edge, visitors: ['x'.repeat(301)] }],
      [{ ...edge, edge_id: 'x'.repeat(256) }],
    ]) {
      assert.throws(() => parse({ ...bound, edges }), isViolation)
    }
  })

  it('says which field is wrong', () => {
    assert.throws(() => parse({ ...bind, weight: 'heavy' }), /bind\.weight/)
  })

  it('S9: removes control characters from every text', () => {
    const hostile = '\u0000\u001b\u007f\u009b\u061c\u200e\u2028\u202e\u2066'
    const notice = parse({ type: 'notice', level: 'info', text: `a${hostile}ü` })
    assert.ok(notice?.type === 'notice')
    assert.equal(notice.text, `a${'\u{fffd}'.repeat(9)}ü`)
    const bound = parse({ ...bind, metadata: `${'m'.repeat(4000)}\u009b` }) as Bind
    assert.equal(bound.metadata, `${'m'.repeat(4000)}\u{fffd}`)
    assert.throws(() => parse({ type: 'x\u009b', critical: true }), /message "x\u{fffd}"/u)
  })
})
