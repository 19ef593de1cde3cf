import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeaderEdits } from './header-edits.ts'

const MESSAGE = ['X-Role', 'admin', 'x_role', 'root', 'Accept', '*/*']

function applied(edit: (edits: HeaderEdits) => void): string[] {
  const edits = new HeaderEdits()
  edit(edits)
  const kept = MESSAGE.flatMap((name, i) => (i % 2 === 0 && !edits.touches(name) ? [`${name}: ${MESSAGE[i + 1]}`] : []))
  return [...kept, ...Array.from(edits, ({ name, value }) => `${name}: ${value}`)]
}

describe('HeaderEdits (traffic policy, 14.3)', () => {
  it('appends after existing values', () => {
    const lines = applied((edits) => {
      edits.append('x-role', 'one')
      edits.append('X-Role', 'two')
    })
    assert.deepEqual(lines, ['X-Role: admin', 'x_role: root', 'Accept: */*', 'x-role: one', 'X-Role: two'])
  })

  it('replaces every spelling, and values that earlier edits have added', () => {
    const lines = applied((edits) => {
      edits.append('X.Role', 'one')
      edits.append('X-Other', 'kept')
      edits.set('x-role', 'two')
      edits.append('x-role', 'three')
    })
    assert.deepEqual(lines, ['Accept: */*', 'X-Other: kept', 'x-role: two', 'x-role: three'])
  })

  it('removes received and added values, but not later ones', () => {
    const lines = applied((edits) => {
      edits.append('x-role', 'one')
      edits.remove('X-Role')
      edits.append('x-role', 'two')
    })
    assert.deepEqual(lines, ['Accept: */*', 'x-role: two'])
  })

  it('has only one Host', () => {
    const edits = new HeaderEdits()
    edits.append('Host', 'a.internal')
    edits.append('host', 'b.internal')
    assert.equal(edits.lastOf('HOST'), 'b.internal')
    assert.equal([...edits].length, 1)
  })

  it('keeps received values out, and added ones in', () => {
    const lines = applied((edits) => {
      edits.append('x-role', 'ours')
      edits.drop('X-Role')
    })
    assert.deepEqual(lines, ['Accept: */*', 'x-role: ours'])
  })

  it('adds nothing under a name that is closed, in no spelling and by no edit', () => {
    const lines = applied((edits) => {
      edits.append('x-role', 'before')
      edits.close('X-Role')
      edits.append('X.Role', 'behind')
      edits.set('x_role', 'behind')
      edits.append('x-roles', 'another')
    })
    assert.deepEqual(lines, ['Accept: */*', 'x-roles: another'])
  })
})
