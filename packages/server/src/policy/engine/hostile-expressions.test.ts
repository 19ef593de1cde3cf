import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { compileExpression } from './compile-expression.ts'
import { ExpressionError } from './expression-error.ts'
import { ExpressionView } from './expression-view.ts'
import { SETTINGS, factsOf } from './facts.test-support.ts'

const LONG = 'a'.repeat(30_000)

function view(vars: Record<string, unknown> = {}): ExpressionView {
  return new ExpressionView(factsOf({ facts: { vars: new Map(Object.entries(vars)) } }))
}

function refused(source: string, message: RegExp): void {
  const expression = compileExpression(source, SETTINGS, 'any')
  assert.ok('problems' in expression, source.slice(0, 80))
  assert.match(expression.problems[0]?.message ?? '', message)
}

function evaluate(source: string, vars: Record<string, unknown>): unknown {
  const expression = compileExpression(source, SETTINGS, 'any')
  if ('problems' in expression) assert.fail(`${source}: ${expression.problems[0]?.message}`)
  return expression.evaluate(view(vars))
}

function fails(source: string, reason: RegExp, vars: Record<string, unknown> = {}): void {
  assert.throws(
    () => evaluate(source, vars),
    (error) => error instanceof ExpressionError && reason.test(error.reason),
    source,
  )
}

describe('hostile expressions (traffic policy, the engine)', () => {
  it('are refused if they are long or deep, in any form', () => {
    refused(`${'!'.repeat(20_000)}true`, /more than 16384 characters/)
    for (const source of [
      `${'!'.repeat(16_000)}true`,
      `${'-'.repeat(16_000)}1`,
      `${'('.repeat(8000)}1${')'.repeat(8000)}`,
      `${'('.repeat(100)}1${')'.repeat(100)}`,
      `${'['.repeat(8000)}${']'.repeat(8000)}`,
      `vars${'.a'.repeat(8000)}`,
      `vars${'[0]'.repeat(5000)}`,
      Array(8000).fill('1').join('+'),
      Array(2000).fill('true').join('||'),
    ]) {
      refused(source, /too deep/)
    }
    refused('', /empty/)
    refused(' \n', /empty/)
    assert.equal(evaluate(Array(390).fill('true').join(' && '), {}), true)
    assert.equal(evaluate(`${'('.repeat(60)}1${')'.repeat(60)}`, {}), 1n)
  })

  it('are refused if comprehensions may take too many steps', () => {
    refused('lists.range(10000).exists(a, lists.range(10000).exists(b, a == b))', /may take 100000000 steps/)
    refused('vars.a.exists(a, vars.b.exists(b, a == b))', /may take 100000000 steps/)
    refused('req.headers.exists(a, req.url.query_params.exists(b, req.cookies.exists(c, a == b)))', /steps/)
    assert.equal(evaluate('req.headers.exists(a, req.headers[a].exists(b, b == "x"))', {}), false)
    assert.equal(evaluate('[1, 2].all(a, [1, 2].all(b, [1, 2].all(c, a + b + c > 0)))', {}), true)
  })

  it('are stopped if they do too much, even if errors are absorbed around them', () => {
    const vars = {
      big: LONG,
      same: ` ${LONG}`.slice(1),
      list: Array.from({ length: 10_000 }, (_, i) => BigInt(i + 1e9)),
    }
    for (const source of [
      'lists.range(10000).all(a, !vars.big.contains("b")) || true',
      '[1].exists(x, lists.range(10000).all(a, vars.big == vars.same)) || true',
      'lists.range(10000).map(a, vars.big.replace("a", "bb").size())',
      'lists.range(10000).map(a, vars.big + string(a))',
      'lists.range(10000).map(x, vars.big).sort()',
      'lists.range(1000).all(x, !(x in vars.list))',
    ]) {
      fails(source, /more work than an expression may/, vars)
    }
    assert.equal(evaluate('true || lists.range(10000).all(a, !vars.big.contains("b"))', vars), true) // it does not run
  })

  it('pay for the errors that a comprehension swallows', () =>
    fails('lists.range(10000).exists(a, 1 / 0 == 1)', /more work than an expression may/))

  it('pay within comprehensions for the values that they read, and for their length', () => {
    const many = Array.from({ length: 200 }, (_, i) => [`h${i + 100}`, 'a=1; b=2']).flat()
    const given = factsOf({ request: { rawHeaders: many, query: 'a=1&'.repeat(900) }, response: { rawHeaders: many } })
    for (const body of [
      "'h000' in req.headers",
      "has(req.headers['h000'])",
      'req.headers[string(b)].size() == 0',
      "getReqHeader('h000').size() > 0",
      "'x' in req.cookies",
      "hasResCookie('x')",
      '!has(conn.client_ip.geo.location.city)',
      `${Array(10)
        .fill(`(${Array(100).fill('a + b').join(' + ')})`)
        .join(' + ')} < 0`,
    ]) {
      const source = `lists.range(1000).exists(a, lists.range(900).exists(b, ${body}))`
      const expression = compileExpression(source, { ...SETTINGS, phase: 'on_http_response' })
      if ('problems' in expression) assert.fail(`${body}: ${expression.problems[0]?.message}`)
      assert.throws(
        () => expression.isTrue(new ExpressionView(given)),
        /more work than an expression may/,
        body.slice(0, 80),
      )
    }
  })

  it('share a bound for one exchange', () => {
    const expression = compileExpression('vars.list == vars.same', SETTINGS)
    assert.ok(!('problems' in expression))
    const list = Array.from({ length: 10_000 }, (_, i) => BigInt(i))
    const one = view({ list, same: [...list] })
    let times = 0
    assert.throws(() => {
      for (; times < 10_000; times++) expression.isTrue(one)
    }, /more work than an expression may/)
    assert.ok(times > 100, String(times))
    assert.equal(expression.isTrue(view({ list, same: [...list] })), true)
  })

  it('make no text above 64 KiB and no list above 10 000', () => {
    const vars = { big: LONG, list: Array.from({ length: 6000 }, () => 'x') }
    for (const source of [
      'vars.big + vars.big + vars.big',
      "vars.big.replace('a', 'aaa')",
      "vars.big.replace('', 'aaa')",
      '[vars.big, vars.big, vars.big].join()',
      "'%s%s%s'.format([vars.big, vars.big, vars.big])",
      'json.encode([vars.big, vars.big, vars.big])',
      "{'a': vars.big, 'b': vars.big, 'c': vars.big}.encodeQueryString()",
      'strings.quote(vars.big + vars.big).encodeBase64()',
    ]) {
      fails(source, /text of more than 65536 characters/, vars)
    }
    for (const source of [
      'vars.list + vars.list',
      'lists.range(10001)',
      '[vars.list, vars.list].flatten()',
      "vars.big.split('')",
    ]) {
      fails(source, /list of more than 10000 items/, vars)
    }
  })

  it('have linear regular expressions, small counts, and patterns of bounded size', () => {
    assert.equal(evaluate("(vars.big + '!').matches('^(a+)+$')", { big: LONG }), false)
    assert.equal(evaluate("vars.big.matches('(a|aa)+$')", { big: LONG }), true)
    refused("'x'.matches('[a-z]{0,900}[a-z]{0,900}')", /repeats more than 1000 times/)
    refused("'x'.matches('((a{100}){10}){10}')", /regular expression|too large|repeats/)
    refused(`'x'.matches('${'a'.repeat(5000)}')`, /more than 4096 characters/)
    fails('"x".matches(vars.p)', /at most 256 characters/, { p: 'a'.repeat(300) })
    fails('"x".matches(vars.p)', /repeats more than 100 times/, { p: '[a-z]{60}[a-z]{60}' })
    fails('vars.big.matches("(?:[ab]{0,30}x?){30}y")', /more work/, { big: LONG })
  })

  it('read long numbers, durations and times in one pass', () => {
    const vars = {
      digits: '9'.repeat(60_000),
      spaces: `${' '.repeat(60_000)}x${' '.repeat(5000)}y`,
      nested: '['.repeat(30_000) + ']'.repeat(30_000),
    }
    fails('duration(vars.digits)', /not a duration/, vars)
    fails('timestamp(vars.digits)', /not a time/, vars)
    fails('int(vars.digits)', /not a whole number/, vars)
    fails('double(vars.digits)', /not a number/, vars)
    fails('vars.nested.decodeJson()', /nested too deep/, vars)
    assert.equal(evaluate('vars.spaces.trim().size()', vars), 5002n)
  })

  it('reach nothing of JavaScript', () => {
    const vars = { map: new Map([['a', 1n]]), text: 'x' }
    for (const source of [
      'vars.__proto__',
      'vars.constructor',
      "vars['__proto__']",
      "vars.map['constructor']",
      "{'a': 1}.constructor",
      "{'a': 1}['toString']",
      'req.headers.constructor',
      'req.headers.get',
      'vars.size',
    ]) {
      fails(source, /^there is no /, vars)
    }
    for (const source of [
      'req.constructor',
      'req.__proto__',
      'req.$facts',
      "req['$facts']",
      "req['$url']",
      'sallyport_view',
      'hash.constructor("x")',
    ]) {
      refused(source, /there is no|not an expression/i)
    }
    refused('[1].exists(sallyport_view, "a".size() == 1)', /name is reserved/)
    refused('[1].sortBy(sallyport_view, "a".size())', /name is reserved/)
    refused('[].length', /list index must be int/)
    refused("'x'.constructor", /cannot index type/)
    assert.equal(evaluate('has(vars.toString)', vars), false)
    assert.equal(evaluate('json.decode(\'{"__proto__": {"a": 1}}\').__proto__.a == 1', vars), true)
    assert.equal(({} as { a?: number }).a, undefined)
  })

  it('read a bounded number of headers, pairs and cookies', () => {
    const many = (count: number, pair: (i: number) => string[]): string[] =>
      Array.from({ length: count }, (_, i) => pair(i)).flat()
    const given = (request: object): ExpressionView => new ExpressionView(factsOf({ request }))
    const run = (source: string, over: ExpressionView): unknown => {
      const expression = compileExpression(source, SETTINGS, 'any')
      if ('problems' in expression) assert.fail(expression.problems[0]?.message)
      return expression.evaluate(over)
    }
    assert.throws(
      () => run('req.headers.exists(h, h == "x")', given({ rawHeaders: many(201, (i) => [`h${i}`, 'x']) })),
      /more than 200/,
    )
    assert.equal(run('"h200" in req.headers', given({ rawHeaders: many(201, (i) => [`h${i}`, 'x']) })), true)
    assert.throws(
      () => run('hasQueryParam("x")', given({ query: many(1001, (i) => [`q${i}=1`]).join('&') })),
      /more than 1000/,
    )
    assert.throws(
      () => run('hasReqCookie("x")', given({ rawHeaders: ['cookie', many(1001, (i) => [`c${i}=1`]).join(';')] })),
      /more than 1000/,
    )
  })

  it('hold nothing of an exchange when they have ended', async () => {
    const expressions = [
      'req.headers.exists(h, h == "x")',
      '["b", "a"].map(x, x + req.method)',
      '["b", "a"].sortBy(x, x + req.method)',
      '[1].exists(x, req.headers["nope"][0] == "x")',
    ].map((source) => {
      const expression = compileExpression(source, SETTINGS, 'any')
      return 'problems' in expression ? assert.fail(expression.problems[0]?.message) : expression
    })
    const collected = new Set<number>()
    const registry = new FinalizationRegistry((id: number) => collected.add(id))
    const runAll = (): void => {
      for (const [id, expression] of expressions.entries()) {
        const one = view()
        registry.register(one, id)
        try {
          expression.evaluate(one)
        } catch {
          // One of them fails, and must release it as well.
        }
      }
    }
    runAll()
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // set by the flag
    for (let turn = 0; turn < 50 && collected.size < expressions.length; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      collect()
    }
    assert.deepEqual([...collected].toSorted(), [0, 1, 2, 3])
  })
})
