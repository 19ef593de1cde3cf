import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseAclRule, permitsHost, permitsLabels } from './acl.ts'

const labels = (...pairs: [string, string][]) => new Map(pairs)

describe('the ACL of an authtoken', () => {
  it('permits a label with its own rule, and every value if the rule says *', () => {
    assert.ok(permitsLabels(['bind:edge=edg_docs'], labels(['edge', 'edg_docs'])))
    assert.ok(permitsLabels(['bind:app=*'], labels(['app', 'anything at all'])))
    assert.ok(permitsLabels(['bind:*'], labels(['edge', 'edg_docs'], ['x', 'y'])))
    assert.ok(permitsLabels(['bind:q=a=b'], labels(['q', 'a=b'])))
  })

  it('needs a rule for every label', () => {
    const acl = ['bind:edge=edg_docs', 'bind:region=*']
    assert.ok(permitsLabels(acl, labels(['edge', 'edg_docs'], ['region', 'eu'])))
    assert.ok(!permitsLabels(acl, labels(['edge', 'edg_docs'], ['app', 'x'])))
  })

  it('attack 37: refuses a prefix, an extension, another case and another spelling of a permitted label', () => {
    for (const value of ['edg_doc', 'edg_docs2', 'edg_docs ', ' edg_docs', 'EDG_DOCS', 'edg_docs\0', '*', '']) {
      assert.ok(!permitsLabels(['bind:edge=edg_docs'], labels(['edge', value])), JSON.stringify(value))
    }
    for (const key of ['Edge', 'edge2', 'edg', 'edge ', '*']) {
      assert.ok(!permitsLabels(['bind:edge=edg_docs', 'bind:edge=*'], labels([key, 'edg_docs'])), JSON.stringify(key))
    }
  })

  it('attack 37: knows __proto__, constructor and toString only as plain words', () => {
    for (const word of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      assert.ok(!permitsLabels(['bind:edge=edg_docs'], labels([word, 'edg_docs'])))
      assert.ok(!permitsLabels(['bind:edge=edg_docs'], labels(['edge', word])))
      assert.ok(permitsLabels([`bind:${word}=x`], labels([word, 'x'])))
    }
  })

  it('permits nothing without rules, without labels, or by an unreadable rule', () => {
    assert.ok(!permitsLabels([], labels(['edge', 'edg_docs'])))
    assert.ok(!permitsLabels(['bind:*'], labels()))
    for (const rule of [
      '',
      '*',
      'bind:',
      'bind',
      'edge=edg_docs',
      'bind:edge=',
      'bind:=x',
      'bind:e*=x',
      'bind:edge=edg_*',
    ]) {
      assert.ok('problem' in parseAclRule(rule), rule)
      assert.ok(!permitsLabels([rule], labels(['edge', 'edg_docs'])), rule)
      assert.ok(!permitsHost([rule], 'a.example.com', 'example.com'), rule)
    }
  })

  it('permits hosts by name or by wildcard, compared at the dots', () => {
    const acl = ['bind:*.example.com', 'bind:Docs.example.org']
    assert.ok(permitsHost(acl, 'a.example.com', 'example.net'))
    assert.ok(permitsHost(acl, 'docs.example.org', 'example.net'))
    for (const host of ['example.com', '.example.com', 'evilexample.com', 'a.example.com.evil', 'x.docs.example.org']) {
      assert.ok(!permitsHost(acl, host, 'example.net'), host)
    }
    assert.ok(!permitsHost(['bind:edge=edg_docs'], 'edge', 'example.net'))
    assert.ok(!permitsLabels(acl, labels(['edge', 'a.example.com'])))
  })

  it('attack 37: means by bind:* the hosts below the domain of the relay, and no other', () => {
    assert.ok(permitsHost(['bind:*'], 'a.example.com', 'example.com'))
    assert.ok(permitsHost(['bind:*'], 'a.b.example.com', 'example.com'))
    for (const host of ['example.com', 'evilexample.com', 'example.com.evil', '127.0.0.1', 'localhost', 'relay']) {
      assert.ok(!permitsHost(['bind:*'], host, 'example.com'), host)
    }
    assert.ok(permitsHost(['bind:*'], 'api.internal', 'example.com'), 'and internal endpoints')
    assert.ok(!permitsHost(['bind:*'], 'internal', 'example.com'))
    assert.ok(!permitsHost(['bind:*.example.com'], 'api.internal', 'example.com'))
    assert.ok(permitsHost(['bind:*', 'bind:example.com'], 'example.com', 'example.com'))
  })
})
