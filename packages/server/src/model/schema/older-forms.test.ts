import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { KINDS } from '../../policy/kinds.ts'
import { inCurrentForm } from './older-forms.ts'

const pathsOf = (found: readonly { path: readonly PropertyKey[]; message: string }[]): string[] =>
  found.map(({ path, message }) => `${path.join('.')}: ${message}`)

describe('older forms of policies (traffic policy, 7)', () => {
  it('become the current ones, and keep their places in the file', () => {
    const { policy, older, problems, writtenAt } = inCurrentForm(
      {
        enabled: true,
        inbound: [
          {
            name: 'a',
            actions: [
              { type: 'oidc', config: { issuer_url: 'https://a' } },
              { type: 'any-of', config: { actions: [{ type: 'oidc' }] } },
            ],
          },
        ],
        outbound: [{ actions: [{ type: 'custom-response', config: { content: 'x', status_code: 404 } }] }],
      },
      KINDS,
    )
    assert.deepEqual(policy, {
      on_http_request: [
        {
          name: 'a',
          actions: [
            { type: 'openid-connect', config: { issuer_url: 'https://a' } },
            { type: 'any-of', config: { actions: [{ type: 'openid-connect' }] } },
          ],
        },
      ],
      on_http_response: [{ actions: [{ type: 'custom-response', config: { body: 'x', status_code: 404 } }] }],
    })
    assert.deepEqual(problems, [])
    assert.deepEqual(pathsOf(older), [
      'enabled: is an older form; remove it, as every policy is enabled',
      'inbound: is the older name of on_http_request; write that',
      'outbound: is the older name of on_http_response; write that',
      'inbound.0.actions.0.type: oidc is the older name of openid-connect; write that',
      'inbound.0.actions.1.config.actions.0.type: oidc is the older name of openid-connect; write that',
      'outbound.0.actions.0.config.content: is the older name of body; write that',
    ])
    const written = ['on_http_response', 0, 'actions', 0, 'config', 'body']
    assert.deepEqual(writtenAt(written), ['outbound', 0, 'actions', 0, 'config', 'content'])
    assert.deepEqual(writtenAt(['on_tcp', 0]), ['on_tcp', 0])
  })

  it('read false as no policy, and leave anything but true and false to the schema', () => {
    assert.deepEqual(inCurrentForm({ enabled: false, inbound: [{ actions: [] }] }, KINDS).policy, {})
    const odd = { enabled: 'false' }
    assert.equal(inCurrentForm(odd, KINDS).policy, odd)
  })

  it('are a problem beside the current ones, and only the current ones count', () => {
    const config = { content: 'old', body: 'new' }
    const { policy, problems } = inCurrentForm(
      { inbound: [1], on_http_request: [{ actions: [{ type: 'custom-response', config }] }] },
      KINDS,
    )
    assert.deepEqual(policy, { on_http_request: [{ actions: [{ type: 'custom-response', config: { body: 'new' } }] }] })
    assert.deepEqual(pathsOf(problems), [
      'inbound: is the older name of on_http_request, which is there, too; keep only on_http_request',
      'on_http_request.0.actions.0.config.content: is the older name of body, which is there, too; keep only body',
    ])
  })

  it('are looked for without copies and without trust in the input', () => {
    let deep: unknown = []
    for (let depth = 0; depth < 50_000; depth++) deep = [deep]
    for (const written of [
      { on_http_request: [{ actions: [{ type: 'deny' }] }] },
      { on_http_request: [{ actions: [{ type: 'constructor', config: { content: deep } }] }] },
      { on_http_request: [{ actions: [null, 7, [], { type: ['oidc'] }, { type: 'oidcx' }] }, 'x', null] },
      { on_http_request: { actions: deep }, __proto__: null },
      deep,
      'oidc',
      undefined,
    ]) {
      assert.equal(inCurrentForm(written, KINDS).policy, written)
    }
  })
})
