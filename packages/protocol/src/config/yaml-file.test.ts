import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ConfigError } from './config-error.ts'
import { YamlFile } from './yaml-file.ts'

describe('YamlFile', () => {
  it('finds every key of its tree, including a missing one before a colon', () => {
    const long = `[${'a long list, '.repeat(20)}]: 1\n`
    for (const text of ['{ a: 1, : 2 }', 'a: 1\n: 2\n', '{ a: 1, "": 2 }', '{ 7: 1, true: 2 }', '? [a]\n: 1\n', long]) {
      const file = new YamlFile(text, 'policy.yaml')
      for (const key of Object.keys(file.tree as object)) {
        const place = file.placeAndPath([key])
        assert.ok(place.length < 130, place)
        assert.match(place, /^policy\.yaml:\d+:\d+ \S/, `${JSON.stringify(key)} in ${text}`)
      }
    }
  })

  it('refuses values without an end, with their line: aliases in circles, and nesting that nobody could read', () => {
    const refused = (text: string, problem: RegExp): void =>
      assert.throws(
        () => new YamlFile(text, 'f.yaml'),
        (error) => error instanceof ConfigError && problem.test(error.message),
        text.slice(0, 60),
      )
    refused('a: 1\nb: &b [*b]', /f\.yaml: line 2: \*b is inside of &b itself; write its value/)
    refused('a: &a\n  b:\n    - { c: *a }', /line 3: \*a is inside of &a itself/)
    for (const depth of [250, 5000, 20_000]) {
      refused(`a: 1\nb: ${'['.repeat(depth)}${']'.repeat(depth)}`, /line 2: the values here are nested too deep/)
      refused(`${'- '.repeat(depth)}a`, /line 1: the values here are nested too deep/)
    }
    const chain = Array.from({ length: 300 }, (_, i) => (i === 0 ? 'a0: &a0 [x]' : `a${i}: &a${i} [*a${i - 1}]`))
    refused(chain.join('\n'), /alias/)
    assert.deepEqual(new YamlFile('a: &a [&a x, *a]\nb: *a', 'f.yaml').tree, { a: ['x', 'x'], b: 'x' })
  })
})
