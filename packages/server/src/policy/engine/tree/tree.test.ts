import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Environment } from '@marcbachmann/cel-js'

import type { ComprehensionArgs, MethodArgs, Tree } from './tree.ts'

const parse = (source: string): Tree => new Environment().parse(source).ast as unknown as Tree // the subject of these tests

describe('the syntax tree of the library (traffic policy, the engine)', () => {
  it('has nodes that can be renamed in place before they are checked', () => {
    const environment = new Environment()
      .registerVariable('a', 'map<string, string>')
      .registerFunction('string.own(string): string', (text: string, more: string) => text + more)
    const parsed = environment.parse("a.b.trim('!')")
    const tree = parsed.ast as unknown as Tree
    assert.deepEqual([tree.op, (tree.args as MethodArgs)[0]], ['rcall', 'trim'])
    ;(tree.args as MethodArgs)[0] = 'own'
    ;((tree.args as MethodArgs)[1].args as unknown[])[1] = 'c'
    assert.deepEqual(parsed.check(), { valid: true, type: 'string' })
    assert.equal(parsed({ a: { c: 'x' } }), 'x!')
  })

  it('has comprehensions with one step, and their source beside them', () => {
    const tree = parse('[1].exists(x, x == 1)')
    const [, , [item, body]] = tree.args as MethodArgs
    const { alternate } = tree.meta
    assert.ok(alternate)
    assert.deepEqual([item?.op, body?.op, alternate.op], ['id', '==', 'comprehension'])
    assert.equal((alternate.args as ComprehensionArgs).step.op, '?:')
  })

  it('runs a node by a replaceable function, with the context that it passes on', () => {
    const parsed = new Environment().registerVariable('a', 'int').parse('[1, 2].map(x, a + x)')
    const tree = parsed.ast as unknown as Tree
    assert.equal(parsed.check().valid, true)
    const [, , [, body]] = tree.args as MethodArgs
    assert.ok(body)
    body.evaluate = (evaluator, node, context) => {
      assert.equal(context.getValue('other'), 'y')
      return node.handle?.(evaluator.run(node.left ?? node, context), 10n, node, evaluator)
    }
    assert.deepEqual(parsed({ a: 1n, other: 'y' }), [11n, 11n])
  })

  it('knows the places and types of its nodes', () => {
    const environment = new Environment().registerVariable('req', 'map<string, string>')
    const parsed = environment.parse(" req.a == 'x'")
    parsed.check()
    const { left, start, end } = parsed.ast as unknown as Tree
    assert.deepEqual([start, end, left?.end, left?.checkedType?.name], [1, 13, 6, 'string'])
  })
})
