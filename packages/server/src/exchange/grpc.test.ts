import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RelayError } from '../errors.ts'
import type { RelayErrorCode } from '../errors.ts'
import { PLAIN_LOOK } from '../pages/look.ts'
import { PAGE_TEXTS } from '../texts/page-texts.ts'
import { grpcAnswer, grpcTypeOf, readGrpcTimeout } from './grpc.ts'

const FRAME = {
  look: PLAIN_LOOK,
  texts: PAGE_TEXTS.en,
  requestId: 'req_1',
  host: 'grpc.example.com',
  hasStart: false,
  toOperator: false,
  address: '192.0.2.7',
}

describe('B16: gRPC requests', () => {
  it('are known by their content type, and answered with the same', () => {
    assert.equal(grpcTypeOf('POST', 'application/grpc'), 'application/grpc')
    assert.equal(grpcTypeOf('POST', 'application/grpc+proto'), 'application/grpc+proto')
    assert.equal(grpcTypeOf('POST', 'Application/gRPC+JSON ; charset=utf-8'), 'application/grpc+json')
  })

  it('have no other content type', () => {
    for (const type of ['application/grpc-web', 'application/grpc-web+proto', 'application/grpcish', 'text/html']) {
      assert.equal(grpcTypeOf('POST', type), undefined, type)
    }
    assert.equal(grpcTypeOf('POST', 'application/grpc, application/grpc'), undefined)
    assert.equal(grpcTypeOf('POST', undefined), undefined)
    assert.equal(grpcTypeOf('GET', 'application/grpc'), undefined)
  })
})

describe('B16: a failure towards gRPC', () => {
  const statusOf = (code: RelayErrorCode, status?: number): string | undefined =>
    grpcAnswer(new RelayError(code, status === undefined ? {} : { status }), FRAME, 'application/grpc').headers[
      'grpc-status'
    ]

  it('has the status of gRPC that fits', () => {
    for (const code of ['no_tunnel_online', 'app_down', 'tunnel_lost', 'relay_full', 'tunnel_full'] as const) {
      assert.equal(statusOf(code), '14', code)
    }
    assert.equal(statusOf('app_timeout'), '4')
    assert.equal(statusOf('request_timeout'), '4')
    assert.equal(statusOf('sign_in_required'), '16')
    assert.equal(statusOf('credentials_refused'), '16')
    for (const code of ['not_allowed', 'ip_restricted', 'denied'] as const) assert.equal(statusOf(code), '7', code)
    assert.equal(statusOf('too_many_requests'), '8')
    assert.equal(statusOf('headers_too_large'), '8')
    assert.equal(statusOf('edge_not_found'), '12')
    assert.equal(statusOf('internal'), '13')
    assert.equal(statusOf('bad_request'), '13')
    assert.equal(statusOf('denied', 418), '2')
  })

  it('has everything in its head, and keeps the code and the headers of the relay', () => {
    const error = new RelayError('no_tunnel_online', { headers: { 'retry-after': '5' } })
    const { status, headers, body } = grpcAnswer(error, FRAME, 'application/grpc+proto')
    assert.deepEqual([status, body], [200, ''])
    assert.equal(headers['content-type'], 'application/grpc+proto')
    assert.equal(headers['sallyport-error-code'], 'ERR_NO_TUNNEL_ONLINE')
    assert.equal(headers['retry-after'], '5')
  })

  it('has its reason in percent-encoded UTF-8, with a bounded length', () => {
    const said = (advice: string): string =>
      grpcAnswer(new RelayError('denied', { advice: () => advice }), FRAME, 'application/grpc').headers[
        'grpc-message'
      ] ?? ''
    assert.equal(said('100 % – “no”\r\nGrpc-Status: 0'), 'Not allowed: 100 %25 %E2%80%93 %E2%80%9Cno%E2%80%9D%0D%0AGrpc-Status: 0') // prettier-ignore
    assert.equal(said('x'.repeat(10_000)).length, 500)
    assert.match(said(`${'x'.repeat(486)}😀`), /^[ -~]+$/, 'cut through the middle of a character')
  })
})

describe('B16: grpc-timeout', () => {
  it('reads every unit', () => {
    const read = { '2H': 7_200_000, '3M': 180_000, '5S': 5000, '250m': 250, '1000u': 1, '1000000n': 1 }
    for (const [value, milliseconds] of Object.entries(read)) {
      assert.ok(Math.abs(readGrpcTimeout(value)! - milliseconds) < 1e-6, value) // it is one that can be read
    }
    assert.equal(readGrpcTimeout('99999999H'), 99_999_999 * 3_600_000)
  })

  it('ignores malformed values', () => {
    for (const value of ['', 'S', '5', '5s', '-5S', '1.5S', '123456789S', '5S, 5S', ' 5S']) {
      assert.equal(readGrpcTimeout(value), undefined, value)
    }
    assert.equal(readGrpcTimeout(undefined), undefined)
  })
})
