import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { type TemplateSettings, compileTemplate } from './compile-template.ts'
import { ExpressionError } from './expression-error.ts'
import { ExpressionView } from './expression-view.ts'
import { SETTINGS, factsOf } from './facts.test-support.ts'
import { NO_SUPPLY, unmetDemands } from './tree/demands.ts'
import { quotePattern } from './patterns.ts'
import type { Template } from './template.ts'

function compiled(text: string, settings: Partial<TemplateSettings> = {}): Template {
  const template = compileTemplate(text, { ...SETTINGS, ...settings })
  if ('problems' in template) assert.fail(`${text}: ${template.problems.map(({ message }) => message).join()}`)
  return template
}

function render(text: string, vars: Record<string, unknown> = {}, settings: Partial<TemplateSettings> = {}): string {
  return compiled(text, settings).render(
    new ExpressionView(factsOf({ facts: { vars: new Map(Object.entries(vars)) } })),
  )
}

describe('templates (traffic policy, the engine)', () => {
  it('put values into texts', () => {
    for (const [text, expected] of [
      ['plain', 'plain'],
      ['', ''],
      ['a $ {b} $c }', 'a $ {b} $c }'],
      ['${req.method}', 'GET'],
      ['/${req.host}${req.url.path}?', '/docs.example.com/guide?'],
      ["${{'a': '}'}['a']}!", '}!'],
      ['${\'}\' + "}"}', '}}'],
      ["${'it\\'s }'}", "it's }"],
      ["${'''a'}b'''}", "a'}b"],
      ["${r'\\d}'}x", '\\d}x'],
      ['$${req.method}', '$GET'],
      ["${'$'}{x}", '${x}'],
      ['${1 + 1} ${2.5} ${true} ${null}', '2 2.5 true null'],
      ['${req.headers["x-token"]}', 'a, b'],
      ["${[1, 'a']} ${{'k': [true]}}", '[1,"a"] {"k":[true]}'],
      ["${timestamp('2026-01-02T03:04:05Z')} ${duration('90s')} ${b'abc'}", '2026-01-02T03:04:05Z 90s abc'],
      ['{ "user": "${req.headers[\\"x-token\\"][0]}" }', '{ "user": "a" }'],
      ["${req.headers[\\'x-token\\'][0]}", 'a'],
      ["${getReqCookie('sid')}", '{"name":"sid","value":"1","http_only":false,"secure":false}'],
    ] as const) {
      assert.equal(render(text), expected, text)
    }
  })

  it('read the dotted names of header modules, and name the current ones (traffic policy, 7)', () => {
    const old = compiled('${.http.request.method} ${ .conn.client_ip } ${.tls.version}')
    assert.equal(old.render(new ExpressionView(factsOf())), 'GET 192.0.2.7 1.3')
    assert.deepEqual(
      old.warnings.map(({ message, start, end }) => [message, start, end]),
      [
        ['${.http.request.method} is an older form; write ${req.method}', 0, 23],
        ['${.conn.client_ip} is an older form; write ${conn.client_ip}', 24, 44],
        ['${.tls.version} is an older form; write ${conn.tls.version}', 45, 60],
      ],
    )
    const identity = new Map([['email', 'a@example.com']])
    for (const action of ['oidc', 'oauth']) {
      const results = new Map([[action, new Map([['identity', identity]])]])
      const view = new ExpressionView(factsOf({ facts: { results } }))
      assert.equal(compiled('${.oauth.user.email}').render(view), 'a@example.com', action)
    }
    for (const [text, refusal] of [
      ['a ${.backend.id}', /^\$\{\.backend\.id\} is an older form without a current one; remove it$/],
      ['a ${.http.response.status_code}', /res exists in on_http_response only/],
      ['a ${.constructor}', /without a current one/],
    ] as const) {
      const template = compileTemplate(text, SETTINGS)
      assert.ok('problems' in template, text)
      assert.match(template.problems[0]?.message ?? '', refusal, text)
      assert.equal(template.problems[0]?.start, 2)
    }
    const older = compiled('a ${.ngrok.geo.country_code}')
    const [unmet, ...more] = unmetDemands(older.demands, NO_SUPPLY)
    assert.match(unmet?.message ?? '', /conn\.geo is not known without a database/)
    assert.deepEqual([unmet?.start, unmet?.end, more], [2, older.source.length, []])
  })

  it('keep the type of a value that is the whole template', () => {
    const view = new ExpressionView(factsOf())
    assert.equal(compiled('${vars.count + 1}').value(view), 4n)
    assert.equal(compiled(' ${vars.count}').value(view), ' 3')
    assert.deepEqual(compiled("${getReqHeader('x-token')}").value(view), ['a', 'b'])
    assert.equal(compiled('plain').value(view), 'plain')
    assert.throws(
      () =>
        compiled('${lists.range(9000).map(x, vars.name + "x".replace("x", "' + 'y'.repeat(500) + '"))}').value(view),
      ExpressionError,
    )
  })

  it('keep the values of headers that actions change later', () => {
    const raw = ['a', '1']
    const facts = factsOf()
    Object.defineProperty(facts.request, 'rawHeaders', { get: () => raw })
    const view = new ExpressionView(facts)
    const kept = compiled("${{'all': req.headers, 'list': [req.headers]}}").value(view)
    raw.push('b', '2')
    assert.deepEqual(
      kept,
      new Map<string, unknown>([
        ['all', new Map([['a', ['1']]])],
        ['list', [new Map([['a', ['1']]])]],
      ]),
    )
  })

  it('never read inserted values as templates', () => {
    assert.equal(
      render('${vars.a} ${vars.b}', { a: '${req.method}', b: "' + secrets.get('v','n') + '" }),
      "${req.method} ' + secrets.get('v','n') + '",
    )
    assert.equal(render('${A}', {}, { environment: () => '${req.method} ${B}' }), '${req.method} ${B}')
  })

  it('read names in capitals from the environment, if that is allowed', () => {
    const environment = (name: string): string | undefined => ({ TOKEN: 't0k', EMPTY: '' })[name]
    assert.equal(
      render('${TOKEN}-${MISSING:pre set}-${EMPTY:d}-${req.method}', {}, { environment }),
      't0k-pre set-d-GET',
    )
    assert.equal(compiled('${TOKEN}', { environment }).constant, 't0k')
    assert.equal(compiled('a').constant, 'a')
    assert.equal(compiled('${req.method}').constant, undefined)
    const missing = compileTemplate('a ${MISSING} ${ALSO}', { ...SETTINGS, environment })
    assert.ok('problems' in missing)
    assert.deepEqual(
      missing.problems.map(({ message, start, end }) => [message, start, end]),
      [
        ['the environment variable MISSING is not set; set it, or write ${MISSING:default}', 2, 12],
        ['the environment variable ALSO is not set; set it, or write ${ALSO:default}', 13, 20],
      ],
    )
    const closed = compileTemplate('${TOKEN}', SETTINGS)
    assert.ok('problems' in closed)
    assert.match(closed.problems[0]?.message ?? '', /no variable TOKEN.*the environment is not read here/)
  })

  it('report all problems, with places in the text', () => {
    const text = 'x ${req.metod} y ${req.headers[\\"a\\"].foo(1)} ${req.method'
    const unclosed = compileTemplate(text, SETTINGS)
    assert.ok('problems' in unclosed)
    assert.deepEqual(unclosed.problems, [
      { message: 'the placeholder has no closing }', start: text.lastIndexOf('${'), end: text.length },
    ])
    const closed = `${text}}`
    const wrong = compileTemplate(closed, SETTINGS)
    assert.ok('problems' in wrong)
    assert.deepEqual(
      wrong.problems.map(({ start, end }) => closed.slice(start, end)),
      ['metod', 'foo'],
    )
    const empty = compileTemplate('${}', SETTINGS)
    assert.ok('problems' in empty && /empty/.test(empty.problems[0]?.message ?? ''))
    assert.ok('problems' in compileTemplate('x'.repeat(300_000), SETTINGS))
  })

  it('turn a value into a pattern that matches only this value', () => {
    assert.equal(render('^${vars.a}/(.*)$', { a: 'a.b(' }, { embed: quotePattern }), '^a\\.b\\(/(.*)$')
  })

  it('say what they read, and refuse results that grow too long', () => {
    assert.deepEqual(
      [...compiled("${req.url.path}${getReqHeader('x-a')[0]}").reads],
      ['req.url.path', 'req.headers.x-a'],
    )
    assert.throws(() => render('${vars.a}${vars.a}', { a: 'x'.repeat(40_000) }), /inserts more than 65536 characters/)
    assert.throws(
      () => render('${req.headers["nope"]}'),
      (error) => error instanceof ExpressionError && error.expression === 'req.headers["nope"]',
    )
  })
})
