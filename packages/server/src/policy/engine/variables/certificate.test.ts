import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'

import { compileExpression } from '../compile-expression.ts'
import { ExpressionView } from '../expression-view.ts'
import { SETTINGS, factsOf } from '../facts.test-support.ts'

const SUBJECT = '/C=DE/O=A, Inc/OU=One/OU=Two/CN=ann'
const NAMES = 'subjectAltName=DNS:a.example,DNS:b.example,email:a@b.example,IP:192.0.2.1,URI:spiffe://x/y'

function certificate(): X509Certificate {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    '/dev/null',
  ]
  return new X509Certificate(
    execFileSync('openssl', [...args, '-days', '2', '-subj', SUBJECT, '-addext', NAMES], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
}

describe('certificates in expressions (traffic policy, the engine)', () => {
  it('have the fields that ngrok names', () => {
    const client = certificate()
    const { connection } = factsOf()
    const { tls } = connection
    assert.ok(tls)
    const view = new ExpressionView(factsOf({ facts: { connection: { ...connection, tls: { ...tls, client } } } }))
    for (const [source, expected] of [
      ['conn.tls.client.subject.common_name', 'ann'],
      ['conn.tls.client.subject.organization', ['A, Inc']],
      ['conn.tls.client.subject.organizational_unit', ['One', 'Two']],
      ['conn.tls.client.subject.country', ['DE']],
      ['conn.tls.client.subject.locality', []],
      ["conn.tls.client.subject.contains('CN=ann') && conn.tls.client.issuer == conn.tls.client.subject", true],
      ['conn.tls.client.san.dns_names', ['a.example', 'b.example']],
      ['conn.tls.client.san.email_addresses', ['a@b.example']],
      ['conn.tls.client.san.ip_addresses', ['192.0.2.1']],
      ['conn.tls.client.san.uris', ['spiffe://x/y']],
      ["conn.tls.client.san.contains('DNS:a.example')", true],
      ['conn.tls.client.validity.not_after - conn.tls.client.validity.not_before == duration("48h")', true],
      ['conn.tls.client.serial_number', client.serialNumber.toLowerCase()],
      ["conn.tls.client.signature_algorithm.lower().contains('sha256')", true],
      ["conn.tls.client.extensions.exists(e, e.id == '2.5.29.17' && !e.critical && e.value.size() > 40)", true],
      ['conn.tls.client.extensions.filter(e, e.critical).map(e, e.id)', ['2.5.29.19']],
      ["conn.tls.client.pem.startsWith('-----BEGIN CERTIFICATE-----')", true],
      ['has(conn.tls.client) && !has(conn.tls.server)', true],
    ] as const) {
      const expression = compileExpression(source, SETTINGS, 'any')
      if ('problems' in expression) assert.fail(`${source}: ${expression.problems[0]?.message}`)
      assert.deepEqual(expression.evaluate(view), expected, source)
    }
  })
})
