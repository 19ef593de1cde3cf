import assert from 'node:assert/strict'
import type { X509Certificate } from 'node:crypto'
import { it } from 'node:test'

import { isNameOf, namesOf } from './certificate-names.ts'

it('reads DNS names and addresses of a certificate, and nothing else', () => {
  const subjectAltName =
    'DNS:Docs.example.com, DNS:*.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1, email:a@example.com, URI:https://x.example.com'
  const names = namesOf({ subjectAltName } as X509Certificate) // only this is read
  assert.deepEqual(names, ['docs.example.com', '*.example.com', '192.0.2.1', '[2001:db8::1]'])
  assert.deepEqual(namesOf({ subjectAltName: undefined } as X509Certificate), [])
})

it('a wildcard of a certificate matches neither the domain itself nor two labels', () => {
  assert.equal(isNameOf('*.example.com', 'a.example.com'), true)
  assert.equal(isNameOf('*.example.com', 'example.com'), false)
  assert.equal(isNameOf('*.example.com', 'a.b.example.com'), false)
  assert.equal(isNameOf('*.example.com', '.example.com'), false)
  assert.equal(isNameOf('a.example.com', 'b.a.example.com'), false)
})
