import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ConfigError } from '@sallyport/protocol/config-error'

import { planAgent } from './agent-plan.ts'
import { readPolicyFile } from './policy-file.ts'
import { bindMessage } from './tunnel-plan.ts'

const GUIDE = `on_http_request:
  - actions:
      - type: openid-connect
        config:
          issuer_url: 'https://api.descope.com/P2abc'
          client_id: 'P2abc'
          client_secret: '\${DESCOPE_KEY}'
          scopes:
            - openid
`

function problemsOf(text: string, environment = {}): string[] {
  try {
    readPolicyFile({ text, source: 'policy.yaml' }, environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.problems.map(({ path, message }) => `${path}: ${message}`)
  }
  return []
}

describe('readPolicyFile (traffic policy)', () => {
  it('takes the file unchanged, with variables of the environment for names in capitals', () => {
    const { policy, placeOf } = readPolicyFile({ text: GUIDE, source: 'policy.yaml' }, { DESCOPE_KEY: 'K2' })
    assert.deepEqual(policy, {
      on_http_request: [
        {
          actions: [
            {
              type: 'openid-connect',
              config: {
                issuer_url: 'https://api.descope.com/P2abc',
                client_id: 'P2abc',
                client_secret: 'K2',
                scopes: ['openid'],
              },
            },
          ],
        },
      ],
    })
    const action = ['on_http_request', 0, 'actions', 0]
    assert.equal(placeOf([...action, 'type']), 'policy.yaml:3:9 on_http_request[0].actions[0].type')
    // A missing key is reported at the value around it. A name that the relay sends must not lead out of the file.
    assert.equal(placeOf([...action, 'config', 'realm']), 'policy.yaml:4:9 on_http_request[0].actions[0].config.realm')
    assert.equal(placeOf(['__proto__', 7]), 'policy.yaml __proto__[7]')
    assert.equal(placeOf([]), 'policy.yaml')
  })

  it('takes JSON', () => {
    const { policy } = readPolicyFile(
      { text: '{"on_http_request":[{"actions":[{"type":"deny"}]}]}', source: 'p.json' },
      {},
    )
    assert.deepEqual(policy, { on_http_request: [{ actions: [{ type: 'deny' }] }] })
  })

  it('leaves expressions to the relay', () => {
    const text = `on_http_request:
  - expressions: ["'\${PATH}' == req.url.path"]
    actions: [{ type: custom-response, config: { body: "\${req.method} \${HOST:nobody}" } }]`
    assert.deepEqual(readPolicyFile({ text, source: 'p' }, { PATH: '/bin' }).policy, {
      on_http_request: [
        {
          expressions: ["'${PATH}' == req.url.path"],
          actions: [{ type: 'custom-response', config: { body: '${req.method} nobody' } }],
        },
      ],
    })
  })

  it('reports the problems that the text alone shows, with line and column', () => {
    assert.deepEqual(problemsOf(GUIDE), [
      'policy.yaml:7:11 on_http_request[0].actions[0].config.client_secret: the environment variable DESCOPE_KEY is not set; set it, or write ${DESCOPE_KEY:default}',
    ])
    const [evil = ''] = problemsOf(GUIDE, { DESCOPE_KEY: '${req.method}' })
    assert.match(evil, /^policy\.yaml:7:11 .*DESCOPE_KEY contains \$\{, which would be read as an expression/)
    assert.doesNotMatch(evil, /req\.method/)
    assert.match(problemsOf('on_http_request: [')[0] ?? '', /^policy\.yaml: line 1: the \[ here is still open/)
    assert.match(problemsOf('- deny')[0] ?? '', /^policy\.yaml: A policy has its phases as keys/)
    assert.match(problemsOf('# nothing')[0] ?? '', /^policy\.yaml: The policy is empty/)
    assert.match(problemsOf(`a: ${'x'.repeat(50_000)}`)[0] ?? '', /larger than 49152 bytes/)
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefgh'.replace(/./g, (c, i: number) => `${c}: &${c} [${`*${'abcdefg'[i]},`.repeat(10)}]\n`)}`
    assert.match(problemsOf(bomb)[0] ?? '', /^policy\.yaml: .*alias/i)
  })

  it('brings the secrets of agent.yml if it reads some, and has none of its own', () => {
    const secrets = { shop: { token: '${TOKEN}' } }
    const read = (text: string): unknown =>
      readPolicyFile({ text, source: 'policy.yaml' }, { TOKEN: 'hush' }, secrets).policy
    const rule = (value: string): string =>
      `on_http_request: [{ actions: [{ type: set-headers, config: { headers: { X-A: "${value}" } } }] }]`
    assert.deepEqual(Object(read(rule("${secrets.get('shop', 'token')}"))).secrets, [['shop', 'token', 'hush']])
    assert.ok(!('secrets' in Object(read(rule('plain')))))
    assert.throws(
      () => read(`secrets: { shop: { token: x } }\n${rule('a')}`),
      /policy\.yaml:1.*secrets.*are for agent\.yml/,
    )
  })

  it('decides alone: all flags beside it are reported', () => {
    const options = { text: GUIDE, source: 'policy.yaml' }
    const plan = (endpoint: object, server = 'https://relay.example.com') =>
      planAgent({
        server,
        authtoken: 'a',
        tunnels: [{ upstream: '3000', endpoint: { trafficPolicy: options, ...endpoint } }],
        environment: { DESCOPE_KEY: 'K2' },
      })
    const bind = bindMessage(1, plan({}).tunnels[0]!) // there is one
    assert.ok('policy' in bind)
    const told = (run: () => unknown): string[] => {
      try {
        run()
      } catch (error) {
        assert.ok(error instanceof ConfigError)
        return error.problems.map(({ path }) => path)
      }
      return []
    }
    assert.deepEqual(
      told(() => plan({ oidc: 'https://a.example', cidrAllow: ['10.0.0.0/8'], oidcScopes: [] })),
      ['--oidc', '--cidr-allow'],
    )
    assert.deepEqual(
      told(() => plan({}, 'http://relay.example.com')),
      ['policy.yaml'],
    )
  })
})
