import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { ConfigError } from '../errors.ts'
import { parseConfig } from '../config/parse-config.ts'
import { loadLanguage } from './language.ts'

function problemsOf(edge: object): string {
  const config = {
    domain: 'example.com',
    public_url: 'https://relay.example.com',
    listen: { http: '127.0.0.1:8080' },
    store: 'sqlite:/var/lib/sallyport/relay.db',
    edges: [{ id: 'edg_docs', hosts: ['docs.example.com'], ...edge }],
  }
  try {
    parseConfig(JSON.stringify(config), { source: 'relay.yml', env: {} })
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path}: ${message}`).join('\n')
  }
  return ''
}

const onConnect = (rule: object): object => ({ policy: { on_tcp_connect: [rule] } })
const withExpression = (source: string): object =>
  onConnect({ expressions: [source], actions: [{ type: 'deny' }, { type: 'log', config: { metadata: { a: 1 } } }] })

describe('on_tcp_connect in a configuration (traffic policy, 1, 4, 5)', () => {
  before(loadLanguage)

  for (const source of [
    "conn.client_ip in ['192.0.2.1'] && inCidrRange(conn.client_ip, '10.0.0.0/8')",
    'conn.client_port > 1024 && conn.server_ip.isPrivateIp() && conn.server_port == 443',
    "conn.tls.version != '1.3' || conn.tls.sni.endsWith('.example.com') || conn.tls.negotiated_alpn == 'h2'",
    "has(conn.tls.client) && conn.tls.client.subject.common_name == 'ada'",
    "timestamp(time.now) - conn.ts.start < duration('1s')",
    "endpoint.host == 'docs.example.com' && endpoint.protocol == 'https' && endpoint.id != ''",
    'vars.tries == 1 || !has(actions.ngrok.restrict_ips.action)',
    'rand.double() < 0.5',
  ]) {
    it(`knows ${source}`, () => assert.equal(problemsOf(withExpression(source)), ''))
  }

  for (const [source, sentence] of [
    ["req.method == 'GET'", /req exists in on_http_request and on_http_response only \(character 1: req\)/],
    ['res.status_code == 200', /res exists in on_http_response only/],
    ['conn.bytes_in > 5', /conn\.bytes_in exists in on_http_request and on_http_response only/],
    ["hasReqHeader('x')", /hasReqHeader.* on_http_request/],
    ["getReqHeader('x').size() > 0", /getReqHeader.* on_http_request/],
    ["hasReqCookie('x')", /hasReqCookie.* on_http_request/],
    ["hasQueryParam('x')", /hasQueryParam.* on_http_request/],
    ["conn.geo.country_code == 'XX'", /conn\.geo is not known without a database/],
  ] as const) {
    it(`refuses ${source}, with its place`, () => {
      const problem = problemsOf(withExpression(source))
      assert.match(problem, /^edges\[0\]\.policy\.on_tcp_connect\[0\]\.expressions\[0\]: [^\n]*\(line 1\)$/)
      assert.match(problem, sentence)
    })
  }

  for (const [what, edge, sentence] of [
    [
      'an action on requests',
      onConnect({ actions: [{ type: 'add-headers', config: { headers: { a: 'b' } } }] }),
      /on_tcp_connect\[0\]\.actions\[0\]\.type: add-headers is an action on requests; put it under on_http_request/,
    ],
    [
      'an action on responses',
      onConnect({ actions: [{ type: 'compress-response' }] }),
      /compress-response is an action on responses; put it under on_http_response/,
    ],
    [
      'an answer',
      onConnect({ actions: [{ type: 'custom-response' }] }),
      /custom-response decides about requests; put it under on_http_request/,
    ],
    [
      'a status',
      onConnect({ actions: [{ type: 'deny', config: { status_code: 404 } }] }),
      /config\.status_code: means nothing here, as a connection ends without an answer; remove it/,
    ],
    [
      'a text that reads the request',
      onConnect({ actions: [{ type: 'log', config: { metadata: { a: '${req.host}' } } }] }),
      /metadata\.a: req exists in/,
    ],
    [
      'a route',
      { routes: [{ path_prefix: '/', policy: { on_tcp_connect: [{ actions: [{ type: 'deny' }] }] } }] },
      /routes\[0\]\.policy\.on_tcp_connect: decides about a connection, which has no path; move it into the policy of the edge/,
    ],
    [
      'rules for requests beside routes',
      {
        routes: [{ path_prefix: '/' }],
        policy: {
          on_tcp_connect: [{ actions: [{ type: 'deny' }] }],
          on_http_request: [{ actions: [{ type: 'deny' }] }],
        },
      },
      /^edges\[0\]\.policy\.on_http_request: is possible only without routes/,
    ],
    [
      'a policy without it beside routes',
      { routes: [{ path_prefix: '/' }], policy: {} },
      /^edges\[0\]\.policy: is possible only without routes/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      const problem = problemsOf(edge)
      assert.match(problem, sentence)
      assert.equal(problem.split('\n').length, 1, problem)
    })
  }

  it('may be in the policy of an edge with routes', () => {
    assert.equal(
      problemsOf({ routes: [{ path_prefix: '/' }], ...onConnect({ actions: [{ type: 'close-connection' }] }) }),
      '',
    )
  })
})
