import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { typeOfBody } from './type-of-body.ts'

describe('the type of a custom response', () => {
  for (const [body, type] of [
    ['{"a": [1]}', 'application/json'],
    [' [1, 2]\n', 'application/json'],
    ['{a', 'text/plain'],
    ['"a"', 'text/plain'],
    ['<!DOCTYPE html><p>', 'text/html'],
    ['\n<html lang="en">', 'text/html'],
    ['<htmlx>', 'text/plain'],
    ['<?xml version="1.0"?><a/>', 'application/xml'],
    ['hello', 'text/plain'],
  ] as const) {
    it(`is ${type} for ${JSON.stringify(body)}`, () => assert.equal(typeOfBody(body), `${type}; charset=utf-8`))
  }

  it('is never HTML because of a visitor’s input', () => {
    assert.equal(typeOfBody('<html lang=en>', "${getQueryParam('q')[0]}"), 'text/plain; charset=utf-8')
    assert.equal(typeOfBody('{"a":1}', '${json.encode(req.headers)}'), 'application/json; charset=utf-8')
    assert.equal(typeOfBody('<html >GET', '<html >${req.method}'), 'text/html; charset=utf-8')
  })
})
