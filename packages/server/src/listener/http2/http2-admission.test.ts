import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../../errors.ts'
import { admitHttp2 } from './http2-admission.ts'
import type { Http2Rules } from './http2-admission.ts'

const RULES: Http2Rules = {
  scheme: 'https',
  mayClaimHttps: false,
  hasBody: false,
  headerMaxBytes: 1000,
  headersMax: 10,
}

function head(scheme: string): string[] {
  return [':method', 'GET', ':scheme', scheme, ':authority', 'a.example', ':path', '/']
}

describe('admission of HTTP/2', () => {
  it('B9: takes :scheme http over TLS, and https over cleartext only from a trusted proxy', () => {
    assert.equal(admitHttp2(head('http'), RULES).host, 'a.example')
    assert.equal(admitHttp2(head('https'), RULES).host, 'a.example')
    assert.equal(admitHttp2(head('https'), { ...RULES, scheme: 'http', mayClaimHttps: true }).host, 'a.example')
    assert.throws(() => admitHttp2(head('https'), { ...RULES, scheme: 'http' }), RelayError)
    assert.throws(() => admitHttp2(head('ftp'), RULES), RelayError)
  })
})
