import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { parseConfig } from '../../config/parse-config.ts'
import { certificateFindings, type KnownCertificate } from './certificate-findings.ts'

const NOW = Date.parse('2026-06-15T12:00:00Z')
const DAY_MS = 86_400_000

describe('first-hour 8: the findings about certificates', () => {
  it('are none if each host has a lasting one', () => {
    assert.deepEqual(found([certificate({})]), { problems: [], warnings: [] })
    assert.deepEqual(found([certificate({ names: ['a.test', 'b.test'] })], ['a.test', 'b.test']).warnings, [
      {
        path: 'public_url',
        message: 'no certificate is for relay.test, so browsers warn of it; add one under tls.certificates',
      },
    ])
  })

  it('an expired one, and one from the future, are problems', () => {
    const { problems, warnings } = found([
      certificate({ validTo: NOW - 1 }),
      certificate({ validFrom: Date.parse('2027-01-02T00:00:00Z'), validTo: Date.parse('2028-01-01T00:00:00Z') }),
    ])
    assert.deepEqual(warnings, [], 'one sentence for one mistake')
    assert.deepEqual(problems, [
      {
        path: 'tls.certificates[0].cert_file',
        message:
          '/x.crt expired on 2026-06-15; visitors and agents refuse it. Renew it: a running relay takes the new file by itself',
      },
      {
        path: 'tls.certificates[1].cert_file',
        message:
          '/x.crt is not valid before 2027-01-02; visitors and agents refuse it until then. Use another one, or set the clock of this machine',
      },
    ])
    assert.deepEqual(found([certificate({ validTo: NOW })]).problems, [], 'the last moment counts')
    assert.deepEqual(found([certificate({ validFrom: NOW })]).problems, [], 'and so does the first')
  })

  it('fourteen days left are a warning; for a short life, a third of it', () => {
    const warned = (daysLeft: number, lifeDays: number): string | undefined => {
      const validTo = NOW + daysLeft * DAY_MS
      return found([certificate({ validFrom: validTo - lifeDays * DAY_MS, validTo })]).warnings[0]?.message
    }
    assert.equal(
      warned(14, 90),
      '/x.crt expires on 2026-06-29, in 14 days; renew it: a running relay takes the new file by itself',
    )
    assert.match(warned(1.5, 90) ?? '', /expires on 2026-06-17, in 1 day; renew/)
    assert.match(warned(0.5, 90) ?? '', /expires on 2026-06-16, in less than a day; renew/)
    assert.equal(warned(14.01, 90), undefined)
    assert.equal(warned(5, 6), undefined)
    assert.match(warned(2, 6) ?? '', /in 2 days/)
  })

  it('RFC 9525 6.3: a wildcard matches one label', () => {
    const wild = [certificate({ names: ['relay.test', '*.example.test'] })]
    assert.deepEqual(found(wild, ['a.example.test', '*.example.test']).warnings, [])
    assert.deepEqual(
      found(wild, ['a.b.example.test', 'example.test', '*.b.example.test', 'other.test']).warnings.map(
        ({ path, message }) => `${path}: ${message.replace(/, so browsers.*/, '')}`,
      ),
      [
        'edges[0].hosts[0]: no certificate is for a.b.example.test (*.example.test covers only one label)',
        'edges[0].hosts[1]: no certificate is for example.test',
        'edges[0].hosts[2]: no certificate is for *.b.example.test (*.example.test covers only one label)',
        'edges[0].hosts[3]: no certificate is for other.test',
      ],
    )
    // One host of a wildcard edge is not all of them.
    assert.equal(
      found([certificate({ names: ['relay.test', 'a.example.test'] })], ['*.example.test']).warnings.length,
      1,
    )
  })

  it('are none if visitors come without TLS', () => {
    const expired = [certificate({ validTo: 0 })]
    assert.deepEqual(found(expired, ['a.test'], 'http: 80'), { problems: [], warnings: [] })
    assert.deepEqual(found([certificate({})], ['a.test'], 'https: 443', 'origin: http://a.test').warnings, [])
    assert.equal(found([certificate({})], ['a.test'], 'https: 443', 'origin: https://a.test').warnings.length, 1)
  })
})

function found(
  known: readonly KnownCertificate[],
  hosts: readonly string[] = [],
  listen = 'https: 443',
  further = '',
): ReturnType<typeof certificateFindings> {
  const edges =
    hosts.length === 0 ? '[]' : `[{ id: edg_a, hosts: [${hosts.map((host) => `"${host}"`).join()}], ${further} }]`
  const text = `
domain: test
public_url: https://relay.test
listen: { ${listen} }
tls: { certificates: [{ cert_file: x.crt, key_file: x.key }] }
edges: ${edges}`
  return certificateFindings(parseConfig(text, { source: '/relay.yml', env: { HOME: '/h' } }), known, NOW)
}

function certificate(further: Partial<KnownCertificate>): KnownCertificate {
  return { file: '/x.crt', names: ['relay.test'], validFrom: NOW - 40 * DAY_MS, validTo: NOW + 50 * DAY_MS, ...further }
}
