import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'

import { parseEndpoint } from '../../model/parse-endpoint.ts'
import { loadLanguage } from '../language.ts'

const PLACE = {
  id: 'edg_x',
  host: 'x.example.com',
  publicUrl: new URL('https://relay.example.com'),
  issuers: { problemOf: () => undefined },
  identityJwt: true,
}

const log = (metadata: object): object => ({ type: 'log', config: { metadata } })
const vars = (...items: object[]): object => ({ type: 'set-vars', config: { vars: items } })

function problemsOf(...actions: object[]): string[] {
  const read = parseEndpoint({ on_http_request: [{ actions }] }, PLACE)
  return read.ok ? [] : read.problems.map(({ path, message }) => `${path.slice(2).join('.')}: ${message}`)
}

describe('set-vars and log (traffic policy, 14.9, 14.10)', () => {
  before(loadLanguage)

  it('never write secrets to the log', () => {
    for (const secret of [
      "${req.headers['authorization'][0]}",
      'a ${req.headers}',
      "${getReqCookie('sid').value}",
      "${getReqHeader('Authorization')}",
      "${getReqHeader('Proxy_Authorization')}",
      "${req.headers['proxy.authorization'][0]}",
      '${actions.ngrok.oidc.identity_token}',
      '${actions.ngrok.set_headers.headers_set}',
    ]) {
      assert.match(problemsOf(log({ deep: [{ a: secret }] })).join(), /metadata\.deep\.0\.a: reads a secret/, secret)
      const through = [vars({ a: secret }, { b: ['${vars.a}'] }), log({ x: '${vars.b[0]}' })]
      assert.match(problemsOf(...through).join(), /actions\.1\.config\.metadata\.x: reads a secret/, secret)
      assert.match(problemsOf(through[0]!, log({ x: '${vars}' })).join(), /metadata\.x: reads a secret/, secret)
    }
    assert.deepEqual(
      problemsOf(vars({ a: '${req.cookies}' }, { b: 1 }), log({ x: '${vars.b}', y: "${getReqHeader('x')}" })),
      [],
    )
  })

  it('have bounds, and names that expressions can read', () => {
    let deep: unknown = 1
    for (let depth = 0; depth < 5000; depth++) deep = [deep]
    assert.match(problemsOf(log({ deep })).join(), /metadata\.deep: is nested deeper than 16 levels/)
    assert.match(problemsOf(vars({ deep })).join(), /is nested deeper than 16 levels/)
    assert.match(problemsOf(vars({ a: 1, b: 2 })).join(), /vars\.0: must be one name and its value/)
    assert.match(problemsOf(vars({ 'a-b': 1 })).join(), /must be a name of letters, digits and _/)
    assert.match(problemsOf(vars()).join(), /an empty list would set nothing/)
    assert.match(
      problemsOf(...Array.from({ length: 21 }, () => log({ a: 1 }))).join(),
      /^actions\.20\.type: is one of more/,
    )
  })
})
