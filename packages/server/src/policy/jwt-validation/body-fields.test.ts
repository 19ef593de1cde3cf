import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { bodyFields } from './body-fields.ts'

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'

function read(contentType: string | undefined, body: string | Buffer, contentEncoding?: string): string | undefined {
  return bodyFields({ contentType, contentEncoding }, Buffer.from(body))('_id_token')
}

describe('the fields of a body (traffic policy, jwt-validation)', () => {
  it('are those of JSON and of forms, by names in any case', () => {
    for (const type of [JSON_TYPE, 'Application/JSON; charset=UTF-8', 'application/json;charset="utf-8"']) {
      assert.equal(read(type, '{"a": [{"_id_token": 1}], "_ID_token": "x.y", "b": "\\\\\\""}'), 'x.y', type)
    }
    assert.equal(read(JSON_TYPE, '{"_id_toke\\u006e": "x", "\\"": {}}'), 'x')
    assert.equal(read(FORM_TYPE, 'a=1&_id_token=x%2ey&b='), 'x.y')
    assert.equal(bodyFields({ contentType: FORM_TYPE, contentEncoding: 'identity' }, Buffer.from('A=1'))('a'), '1')
  })

  it('are none in a body of another type, or a damaged or encoded one', () => {
    const json = '{"_id_token":"x"}'
    for (const type of [
      undefined,
      '',
      'text/plain',
      'application/json, text/plain',
      'application/json; charset=utf-7',
    ]) {
      assert.equal(read(type, json), undefined, type)
    }
    assert.equal(read(JSON_TYPE, json, 'gzip'), undefined)
    for (const body of [`${json},`, `[${json}]`, 'null', '"_id_token"', '', `\ufeff${json}`, '{"_id_token":["x"]}']) {
      assert.equal(read(JSON_TYPE, body), undefined, body)
    }
    assert.equal(read(JSON_TYPE, Buffer.from([...Buffer.from('{"_id_token":"'), 0xff, 0x22, 0x7d])), undefined)
  })

  it('that two parsers could read differently are none: app and relay must take the same token', () => {
    for (const other of [
      '_id_token',
      '_ID_TOKEN',
      '_id.token',
      '_id-token',
      ' _id_token',
      '_id_token\0x',
      '_i\\u0064_token',
    ]) {
      for (const body of [
        `{"_id_token":"x","${other.replace('\0', '\\u0000')}":"y"}`,
        `{"${other.replace('\0', '\\u0000')}":"y","_id_token":"x"}`,
      ]) {
        assert.equal(read(JSON_TYPE, body), undefined, body)
      }
      if (other.includes('\\')) continue
      assert.equal(read(FORM_TYPE, `_id_token=x&${encodeURIComponent(other)}=y`), undefined, other)
    }
    assert.equal(read(FORM_TYPE, 'a=1;_id_token=y&_id_token=x'), undefined)
    assert.equal(read(FORM_TYPE, '_id.token=x'), undefined, 'nor under another name alone')
    assert.equal(
      bodyFields({ contentType: JSON_TYPE, contentEncoding: undefined }, Buffer.from('{}'))('__proto__'),
      undefined,
    )
  })

  it('take time in proportion to the body', () => {
    const names = Array.from({ length: 50_000 }, (_, index) => `"${index}\\\\":"${'\\"'.repeat(4)}"`)
    const started = performance.now()
    assert.equal(read(JSON_TYPE, `{${names.join(',')},"_id_token":"x"}`), 'x')
    assert.equal(read(JSON_TYPE, `{"_id_token":${'['.repeat(500_000)}${']'.repeat(500_000)}}`), undefined)
    assert.ok(performance.now() - started < 5000)
  })
})
