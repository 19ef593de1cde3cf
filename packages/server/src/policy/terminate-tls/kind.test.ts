import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ConfigError } from '../../errors.ts'
import { parseConfig } from '../../config/parse-config.ts'
import { parseEndpoint } from '../../model/parse-endpoint.ts'
import { readEdges } from '../../model/read-edges.ts'
import { loadLanguage } from '../language.ts'
import { terminations } from './terminations.ts'
import { tlsDemandsOf } from './tls-demands-of.ts'
import type { TerminateTlsConfig } from './kind.ts'

// Both are valid until 2126.
const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUH9ssE+yrawYs8pqr/AYwAXTA9lwwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEVGVzdDAgFw0yNjEyMDExMDUyMTBaGA8yMTI2MTEwNzEwNTIx
MFowDzENMAsGA1UEAwwEVGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG3P
IPpW8CPj+gPKO7wv4Ah9k7w97UKckoVTIP+Dy8NBzIUyRzg1DlZkKP1qGi1ulBnh
5JtRMFDuys/pzkP7aiCjUzBRMB0GA1UdDgQWBBR8g5JoEuoGt7UqZN3p6UUui3eq
oTAfBgNVHSMEGDAWgBR8g5JoEuoGt7UqZN3p6UUui3eqoTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCICqSFmARpu6x+55LcttYK50ek+xCWUFxQDu2
hcwa87b4AiEAj0qspbxvvBaCruojgLq4JuuXr63+nLaRYIITQuzF5NI=
-----END CERTIFICATE-----
`
const LEAF = `-----BEGIN CERTIFICATE-----
MIIBcjCCARigAwIBAgIURsPmmwkxdaBPxQToPt3zk/ZU9FwwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEbGVhZjAgFw0yNjEyMDExMDUyMTBaGA8yMTI2MTEwNzEwNTIx
MFowDzENMAsGA1UEAwwEbGVhZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPBj
KqlW+GRsbw9SXvwUdxAvJCTtCXEtv+rBiQC8TRIShJlT8VxirOyExRgn3XCSk5qY
+8KUBbFDeFBFIk7tQhejUDBOMB0GA1UdDgQWBBQpfRnDvAW/Fcst6koNMG1+mrLz
IjAfBgNVHSMEGDAWgBQpfRnDvAW/Fcst6koNMG1+mrLzIjAMBgNVHRMBAf8EAjAA
MAoGCCqGSM49BAMCA0gAMEUCIBaNjcj29tFAabeI58KGAsRx4tvwjINyO1EDAON7
086tAiEAjWMbDdbJTRoTnMzOSOi8d1XDqL0CcbOz9y0eTPBhpCM=
-----END CERTIFICATE-----
`

const terminate = (config?: object): object => ({ type: 'terminate-tls', ...(config && { config }) })
const trusting = (...authorities: string[]): object => ({ mutual_tls_certificate_authorities: authorities })

interface Written {
  policy?: object
  routes?: object[]
  more?: object
}

function read({ policy, routes, more = {} }: Written): { configs: TerminateTlsConfig[]; problems: string } {
  const config = {
    domain: 'example.com',
    public_url: 'https://relay.example.com',
    listen: { https: '127.0.0.1:8443' },
    tls: { certificates: [{ cert_file: 'x.crt', key_file: 'x.key' }] },
    store: 'sqlite:/var/lib/sallyport/relay.db',
    edges: [{ id: 'edg_docs', hosts: ['docs.example.com'], ...(routes && { routes }), ...(policy && { policy }) }],
    ...more,
  }
  try {
    const { edges } = parseConfig(JSON.stringify(config), { source: '/etc/sallyport/relay.yml', env: {} })
    const configs = edges.flatMap(terminations)
    return { configs, problems: '' }
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return { configs: [], problems: error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n') }
  }
}

const connect = (...actions: object[]): object => ({ on_tcp_connect: [{ actions }] })
const problemsOf = (config: object, more: object = {}): string =>
  read({ policy: connect(terminate(config)), more }).problems

describe('the configuration of terminate-tls (traffic policy, terminate-tls)', () => {
  it('may be empty, takes versions as text and numbers, and authorities as text, in files and by id', () => {
    const versions = { min_version: '1.2', max_version: '1.3' }
    assert.deepEqual(read({ policy: connect(terminate()) }).configs, [versions])
    assert.deepEqual(read({ policy: connect(terminate({ min_version: 1.3 })) }).configs, [
      { ...versions, min_version: '1.3' },
    ])
    const more = { certificate_authorities: { ca_one: 'one.pem', ca_two: [AUTHORITY, '/two.pem'] } }
    const policy = connect(terminate(trusting(AUTHORITY, 'ca/x.pem', 'ca_one', 'ca_two')))
    const [config] = read({ policy, more }).configs
    assert.deepEqual(config, {
      ...versions,
      certificate: {
        strategy: 'require-and-verify',
        authorities: [AUTHORITY, '/etc/sallyport/ca/x.pem', '/etc/sallyport/one.pem', AUTHORITY, '/two.pem'],
      },
    })
  })

  it('says what is wrong with an authority, and what to write', () => {
    for (const [written, sentence] of [
      [
        trusting(LEAF),
        /authorities\[0\]: CN=leaf is not an authority \(CA:TRUE\); write the certificate of the authority/,
      ],
      [trusting(AUTHORITY.replace('MII', 'AAA')), /cannot be read: certificate 1 of 1 is damaged/],
      [trusting(`${AUTHORITY}\n${LEAF}`), /CN=leaf is not an authority/],
      [
        trusting('-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----'),
        /holds a private key, and no certificate/,
      ],
      [trusting('-----BEGIN CERTIFICATE-----'), /holds no certificate in PEM/],
      [trusting('ca_2xyz'), /ca_2xyz is the id of something at ngrok; .*certificate_authorities: \{ ca_2xyz: … \}/],
      [trusting(), /an empty list would trust nobody/],
      [trusting(...Array.from({ length: 33 }, (_, index) => `${index}.pem`)), /has more than 32 entries/],
    ] as const) {
      assert.match(problemsOf(written), sentence)
    }
    const byId = { certificate_authorities: { ca_x: LEAF, partners: AUTHORITY } }
    assert.match(problemsOf({}, byId), /certificate_authorities\.ca_x\[0\]: CN=leaf is not an authority/)
    assert.match(problemsOf({}, byId), /certificate_authorities\.partners: must be ca_ and then/)
  })

  it('says which keys exclude each other, and which do not belong to a policy', () => {
    for (const [written, sentence] of [
      [{ min_version: '1.3', max_version: '1.2' }, /min_version: is above max_version, 1\.2/],
      [{ min_version: '1.0' }, /"1\.0" is not possible here; write 1\.2 or 1\.3/],
      [{ mutual_tls_verification_strategy: 'require-and-verify' }, /verifies nothing without mutual_tls_certificate/],
      [{ mutual_tls_verification_strategy: 'demand' }, /write require-and-verify or require-any or request/],
      [{ server_certificate: 'x', server_private_key: 'y' }, /server_private_key: is not part of policies here/],
    ] as const) {
      assert.match(problemsOf(written), sentence)
    }
    assert.match(
      problemsOf({}, { listen: { http: 80 } }),
      /needs visitors’ TLS to end at this relay, which has no listen/,
    )
  })

  it('is for connections, once for an edge, and depends on nothing', async () => {
    await loadLanguage()
    const wrongPhase = read({ policy: { on_http_request: [{ actions: [terminate()] }] } }).problems
    assert.match(wrongPhase, /terminate-tls is an action on connections; put it under on_tcp_connect/)
    assert.match(read({ policy: connect({ type: 'mutual-tls' }) }).problems, /did you mean terminate-tls\?/)
    const policy = { on_tcp_connect: [{ expressions: ["conn.client_ip == '192.0.2.1'"], actions: [terminate()] }] }
    assert.match(
      read({ policy }).problems,
      /on_tcp_connect\[0\]\.expressions: terminate-tls is decided before there is a request, so it cannot depend/,
    )
    const computed = problemsOf(trusting('${vars.authority}'))
    assert.match(computed, /vars\.authority|nothing in it can be computed/)
    const twice = { on_tcp_connect: [{ actions: [terminate(), terminate()] }] }
    assert.match(read({ policy: twice }).problems, /actions\[1\].*is the second terminate-tls of this edge/)
    const routes = [{ path_prefix: '/', policy: connect(terminate()) }]
    assert.match(read({ routes }).problems, /on_tcp_connect: decides about a connection, which has no path/)
    assert.equal(read({ policy: connect(terminate()), routes: [{ path_prefix: '/' }] }).configs.length, 1)
  })

  it('is suggested if expressions read a certificate that no visitor is asked for', async () => {
    await loadLanguage()
    const expressions = ["conn.tls.client.subject.common_name == 'ann'"]
    const on_http_request = [{ expressions, actions: [{ type: 'deny' }] }]
    const remarks = (on_tcp_connect: object[] = []): string => {
      const place = { publicUrl: undefined, identityJwt: true, folder: '/' }
      const read = readEdges(
        [{ id: 'edg_a', hosts: ['a.example.com'], policy: { on_tcp_connect, on_http_request } }],
        place,
      )
      return read.remarks.map(({ path, message }) => `${path.join('.')} ${message}`).join()
    }
    const place = 'edges.0.policy.on_http_request.0.expressions.0'
    assert.match(
      remarks(),
      new RegExp(`^${place} reads conn\\.tls\\.client, and visitors of this edge are asked for no certificate`),
    )
    assert.match(remarks([{ actions: [terminate({ min_version: '1.3' })] }]), /asked for no certificate/)
    assert.equal(remarks([{ actions: [terminate(trusting(AUTHORITY))] }]), '')
  })

  it('may come from an agent, without files and ids of the relay', () => {
    const place = {
      id: 'edg_x',
      host: 'x.example.com',
      publicUrl: new URL('https://relay.example.com'),
      issuers: { problemOf: () => undefined },
      identityJwt: true,
    }
    const problems = (config: object, endsTls = true): string => {
      const parsed = parseEndpoint(connect(terminate(config)), { ...place, endsTls })
      return parsed.ok ? '' : parsed.problems.map(({ path, message }) => `${path.join('.')} ${message}`).join('\n')
    }
    assert.equal(problems({ ...trusting(AUTHORITY), min_version: '1.3' }), '')
    assert.match(problems(trusting('/etc/passwd')), /authorities\.0 names a file of the relay/)
    assert.match(problems(trusting('ca_theirs')), /ca_theirs is the id of something at ngrok/)
    assert.match(problems(trusting('${x}')), /nothing in it can be computed/)
    assert.match(problems({}, false), /needs visitors’ TLS to end at this relay/)
  })
})

describe('tlsDemandsOf', () => {
  const edgeWith = (config: TerminateTlsConfig) => ({
    on_tcp_connect: [{ actions: [{ type: 'terminate-tls' as const, config }] }],
  })
  const config = { min_version: '1.2', max_version: '1.3' } as const

  it('are none if nothing differs from the relay’s defaults', () => {
    assert.equal(tlsDemandsOf(edgeWith(config), { of: () => [] }), undefined)
  })

  it('are the same for the same meaning, and different once a file has changed', () => {
    let inFile: readonly string[] = [AUTHORITY]
    const files = { of: () => inFile }
    const demandsOf = (...authorities: string[]) => {
      const certificate = { strategy: 'require-and-verify' as const, authorities }
      return tlsDemandsOf(edgeWith({ ...config, certificate }), files)!
    }
    const [byFile, byText] = [demandsOf('/x.pem'), demandsOf(AUTHORITY)]
    const before = byFile()
    assert.equal(byFile(), before)
    assert.equal(byText().digest, demandsOf(`${AUTHORITY}\n${AUTHORITY}`)().digest)
    inFile = [AUTHORITY, LEAF]
    assert.notEqual(byFile().digest, before.digest)
    assert.deepEqual(byFile().certificate?.authorities.length, 2)
    assert.equal(byFile(), byFile())
  })
})
