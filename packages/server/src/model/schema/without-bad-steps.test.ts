import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { formatPath } from '@sallyport/protocol/yaml-file'

import { loadLanguage } from '../../policy/language.ts'
import { readEdges } from '../read-edges.ts'

const PLACE = { publicUrl: new URL('https://relay.example.com'), identityJwt: true, folder: '/' }

function problemsOf(policy: unknown): string[] {
  const { problems = [] } = readEdges([{ id: 'edg_x', hosts: ['x.example.com'], policy }], PLACE)
  return problems.map(({ path, message }) => `${formatPath(path.slice(3))}: ${message.split(/[;(]/)[0]?.trim()}`)
}

describe('a policy with a part that its schema refuses (traffic policy, the engine)', () => {
  before(loadLanguage)

  it('has the problems of its other expressions and texts told at the same time', () => {
    const bad = { expressions: ['req.path == "/x"'], actions: [{ type: 'deny', config: { status_code: 42 } }] }
    assert.deepEqual(
      problemsOf({
        on_tcp_connect: [
          { expressions: ['conn.ip == ""'], actions: [{ type: 'restrict-ips', config: { allow: [7] } }] },
        ],
        on_http_request: [
          bad,
          { expressions: ["starts_with('a')", 7], actions: [{ type: 'redirct', config: { to: '/x' } }] },
        ],
        on_http_response: [
          {
            expressions: ['res.status == 200'],
            actions: [{ type: 'custom-response', config: { status_code: '?', body: '${vars.x(}' } }],
          },
          { actions: [{ type: 'custom-response', config: { status_code: 200, body: '${vars.x(}' } }] },
        ],
      }).toSorted(),
      [
        'on_http_request[0].actions[0].config.status_code: must be at least 400',
        'on_http_request[0].expressions[0]: there is no variable req.path',
        'on_http_request[1].actions[0].type: "redirct" is not an action',
        'on_http_request[1].expressions[0]: there is no function starts_with',
        'on_http_request[1].expressions[1]: must be text',
        'on_http_response[0].actions[0].config.status_code: must be a number, not "?"',
        'on_http_response[0].expressions[0]: there is no variable res.status',
        'on_http_response[1].actions[0].config.body: the expression ends too early',
        'on_tcp_connect[0].actions[0].config.allow[0]: must be text',
        'on_tcp_connect[0].expressions[0]: there is no variable conn.ip',
      ],
    )
  })

  it('has no further problems told if something around its rules is wrong, or if there are very many', () => {
    assert.deepEqual(problemsOf({ on_http_request: [{ expressions: ['req.path'], actions: 'none' }] }), [
      'on_http_request[0].actions: must be a list',
    ])
    const many = Array.from({ length: 100 }, () => ({ actions: [{ type: 'deny', config: { status_code: 1 } }] }))
    const found = problemsOf({ on_http_request: [...many, { expressions: ['req.path'], actions: [{ type: 'deny' }] }] })
    assert.equal(found.length, 100)
  })
})
