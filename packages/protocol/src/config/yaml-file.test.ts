import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { YamlFile } from './yaml-file.ts'

describe('YamlFile', () => {
  it('finds every key of its tree, including a missing one before a colon', () => {
    for (const text of ['{ a: 1, : 2 }', 'a: 1\n: 2\n', '{ a: 1, "": 2 }', '{ 7: 1, true: 2 }']) {
      const file = new YamlFile(text, 'policy.yaml')
      for (const key of Object.keys(file.tree as object)) {
        assert.match(file.placeAndPath([key]), /^policy\.yaml:\d+:\d+ \S/, `${JSON.stringify(key)} in ${text}`)
      }
    }
  })
})
