import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { compileExpression } from './compile-expression.ts'
import type { CompileSettings } from './compile-settings.ts'
import type { Expression } from './expression.ts'
import { NO_SUPPLY, unmetDemands } from './tree/demands.ts'
import { SETTINGS } from './facts.test-support.ts'
import { dependsOnReading, readsPath, readsSecrets } from './readings.ts'

function compiled(source: string, settings: Partial<CompileSettings> = {}): Expression {
  const expression = compileExpression(source, { ...SETTINGS, ...settings }, 'any')
  if ('problems' in expression) assert.fail(`${source}: ${expression.problems.map(({ message }) => message).join()}`)
  return expression
}

/** The message, and the part of the text to which it points. */
function refusal(
  source: string,
  settings: Partial<CompileSettings> = {},
  result: 'bool' | 'any' = 'any',
): [string, string] {
  const expression = compileExpression(source, { ...SETTINGS, ...settings }, result)
  assert.ok('problems' in expression, `${source} compiles`)
  const [problem, ...more] = expression.problems
  assert.ok(problem && more.length === 0)
  return [problem.message, source.slice(problem.start, problem.end)]
}

describe('compiling expressions (traffic policy, the engine)', () => {
  it('accepts all examples of sections 4 to 8 and 14 of the reference, except those called broken', () => {
    const settings: Partial<CompileSettings> = { phase: 'on_http_response', hasAttempts: true }
    for (const source of [
      "req.headers['x-request-id']",
      "req.headers['x-user-id']",
      "req.url.contains('/x')",
      'req.url.path',
      'double(conn.geo.latitude)',
      'timestamp(time.now)',
      "'Authorization' in req.headers",
      "'authorization' in req.headers",
      "req.headers['User-Agent'][0]",
      "hasReqHeader('host')",
      "getReqHeader('host')[0].split('.', 1)[0]",
      "'a,b,c'.split(',', 2)",
      'rand.int(0, 2)',
      "hash.crc32('hello')",
      "hash.crc64('hello')",
      "hash.xxhash64('hello')",
      "'i;md/r/$y'.escapeUrl()",
      'actions.ngrok.oauth.identity.email',
      'conn.geo.country_code',
      'conn.tls.client.subject.common_name',
      'has(actions.ngrok.oidc.identity)',
      "conn.geo.country_code in ['XX']",
      "getReqHeader('x').exists(v, v == 'y')",
      "req.url.path == '/ngrok/logout'",
      "req.headers['x'][0]",
      "req.method == 'GET' && req.url.path.startsWith('/api') && hasReqHeader('x')",
      "req.method == 'POST'",
      "req.url.path.startsWith('/admin')",
      "req.method in ['POST', 'PUT', 'DELETE', 'PATCH']",
      "getReqHeader('user-agent').exists(v, v.contains('curl'))",
      "req.user_agent.matches('(?i)curl')",
      "req.headers['X-Token'][0] == 'a'",
      "has(req.headers['key'])",
      "secrets.get('vault', 'name')",
      'last_attempt.res.status_code >= 500 && attempts < 3',
      'vars.test',
      "req.content_type.parameters['charset'] == 'utf-8'",
      "res.status_code < 200 || res.headers['content-type'][0].contains('json')",
      'actions.ngrok.jwt_validation.tokens[0].payload.sub',
      'actions.ngrok.http_request.res.status_code == 200',
      "conn.client_ip.categories.exists(c, c == 'x') || conn.client_ip.geo.location.is_eu",
    ]) {
      compiled(source, settings)
    }
  })

  it('refuses ngrok’s examples that are not CEL, with the right spelling', () => {
    const rows: [source: string, message: RegExp, place: string][] = [
      ["req.url.path.includes('x')", /no function includes; did you mean contains\?/, 'includes'],
      ["req.url.path.starts_with('x')", /no function starts_with; did you mean startsWith\?/, 'starts_with'],
      [
        "res.headers['content-type'].contains('json')",
        /no matching overload for 'list.contains\(string\)'; a list has no contains; write 'x' in list/,
        "res.headers['content-type'].contains('json')",
      ],
      [
        "res.status_code < '200'",
        /no such overload: int < string; a number is written without quotes/,
        "res.status_code < '200'",
      ],
      ['req.path == "/"', /no variable req.path; did you mean req.url.path\?/, 'path'],
      ['request.headers', /no variable request; did you mean req\?/, 'request'],
      ['vars.models.sort(x, y, x < y)', /sort has other arguments: list<T>.sort\(\)/, 'vars.models.sort(x, y, x < y)'],
      ['req.method == ${vars.test}', /expressions are CEL already; write vars.test without \$\{\}/, '${vars.test}'],
      ['[x * 2 for x in list]', /not an expression of CEL: "for"; write list.map/, 'for'],
      ['var m = {}', /var is a reserved word of CEL/, 'var'],
    ]
    for (const [source, message, place] of rows) {
      const [said, at] = refusal(source, { phase: 'on_http_response' })
      assert.match(said, message, source)
      assert.equal(at, place, source)
    }
    assert.equal(compiled("req.method == '${x}'").type, 'bool') // a text that looks like a placeholder
  })

  it('points at the problem, with the nearest known name', () => {
    const rows: [source: string, message: RegExp, place: string][] = [
      ['req.metod == "GET"', /no variable req.metod; did you mean req.method\?/, 'metod'],
      ['conn.geo.contry == "x"', /no variable conn.geo.contry; did you mean conn.geo.country\?/, 'contry'],
      ["getReqHaeder('x')", /no function getReqHaeder; did you mean getReqHeader\?/, 'getReqHaeder'],
      ["hash.sha265('x')", /no function hash.sha265; did you mean hash.sha256\?/, 'sha265'],
      ["'a'.lowr()", /no function lowr; did you mean lower\?/, 'lowr'],
      ['[1].exist(x, x > 0)', /no function exist; did you mean exists\?/, 'exist'],
      ['[1].exists(x)', /exists is written as exists\(x, condition\)/, 'exists'],
      ["[1].exists('x', true)", /exists\(x, condition\)|invalid predicate iteration variable/, "'x'"],
      ['actions.ngrok.rate_limit.limitd', /did you mean actions.ngrok.rate_limit.limited\?/, 'limitd'],
      ['actions.ngrok.ratelimit.limited', /did you mean actions.ngrok.rate_limit\?/, 'ratelimit'],
      ['hash == "x"', /hash is not a value; call a function of it, such as hash.md5/, 'hash'],
      ["req[req.method] == 'x'", /the name of a variable must be written out/, 'req.method'],
      ["req.url['pat'] == 'x'", /no variable req.url.pat; did you mean req.url.path\?/, "'pat'"],
      ['conn.client_ip.foo', /no variable conn.client_ip.foo/, 'foo'],
      ["req.url.path == 'x", /no closing quote/, "'x"],
      ['req.method == ', /ends too early/, ''],
      ["req.method = 'x'", /not an expression of CEL: "="; write ==/, '='],
      ["req.method === 'x'", /not an expression of CEL: "="; write ==/, '='],
      ["req.method == 'x' and true", /not an expression of CEL: "and"; write &&/, 'and'],
      ['not vars.x', /not an expression of CEL: "vars"; write !/, 'vars'],
      ["req.method in ('a', 'b')", /not an expression of CEL: ","; a list is written in brackets/, ','],
      ["'x' in req.method", /string in string; a text is searched with text.contains/, "'x' in req.method"],
      ["req.headers['x'] == 'a'", /one side is a list; take an item with \[0\]/, "req.headers['x'] == 'a'"],
      ["req.headers['x'].startsWith('a')", /this is a list; take an item/, "req.headers['x'].startsWith('a')"],
      ['1 + "a"', /no such overload: int \+ string/, '1 + "a"'],
      ["req.cookies['a'][0].nme", /no field nme/, 'nme'],
      ["{'a': 1, '__proto__': 2}", /__proto__ cannot be a key/, "'__proto__'"],
      ["'x'.matches('(?=a)')", /not a regular expression of RE2/, "'(?=a)'"],
      ["'x'.matches('(a{1000}){1000}')", /repeats more than 1000 times/, "'(a{1000}){1000}'"],
      ["secrets.get('v')", /has other arguments: secrets.get\(string, string\)/, "secrets.get('v')"],
      ['conn.tls.ja4_fingerprint', /not known to this relay/, 'ja4_fingerprint'],
      ['conn.k8s.pod.name', /not known to this relay/, 'k8s'],
      ['attempts > 1', /no variable attempts/, 'attempts'],
      ['has(req)', /has takes a field/, 'req'],
      ["b'ä' == b'a'", /a literal of bytes takes ASCII/, "b'ä'"],
      ['cel.bind(x, 1, x)', /no variable cel/, 'cel'],
    ]
    for (const [source, message, place] of rows) {
      const [said, at] = refusal(source)
      assert.match(said, message, source)
      assert.equal(at, place, source)
    }
  })

  it('wants a condition to be true or false', () => {
    assert.match(refusal('req.method', {}, 'bool')[0], /of the type string, and must be true or false/)
    assert.ok(!('problems' in compileExpression('vars.x', SETTINGS)))
    assert.ok(!('problems' in compileExpression('actions.ngrok.rate_limit.limited', SETTINGS)))
  })

  it('knows the variables of each phase', () => {
    const rows: [source: string, phases: string][] = [
      ['conn.client_ip', 'tcp request response'],
      ['endpoint.id + time.now', 'tcp request response'],
      ['vars.x', 'tcp request response'],
      ['conn.bytes_in', 'request response'],
      ['req.method', 'request response'],
      ["getReqHeader('x')", 'request response'],
      ['res.status_code', 'response'],
      ["hasResHeader('x')", 'response'],
    ]
    for (const [source, phases] of rows) {
      const where = (['on_tcp_connect', 'on_http_request', 'on_http_response'] as const).filter(
        (phase) => !('problems' in compileExpression(source, { ...SETTINGS, phase }, 'any')),
      )
      assert.equal(where.map((phase) => phase.split('_')[2]?.replace('connect', 'tcp')).join(' '), phases, source)
    }
    assert.match(refusal('res.status_code == 200')[0], /^res exists in on_http_response only$/)
    assert.match(
      refusal('req.method', { phase: 'on_tcp_connect' })[0],
      /^req exists in on_http_request and on_http_response only$/,
    )
    assert.equal(compiled('attempts > 1', { hasAttempts: true }).type, 'bool')
  })

  it('refuses values for which the operator has no file', () => {
    const hasSecret = (vault: string, name: string): boolean => vault === 'v' && name === 'n'
    const supply = { ...NO_SUPPLY, hasSecret }
    for (const [source, message, place] of [
      [
        "1 == 1 && secrets.get('v', 'm') == 'x'",
        /no secret "m" in the vault "v"; add it under secrets: in relay.yml \(agents: in agent.yml\)/,
        "secrets.get('v', 'm')",
      ],
      ["secrets.get('__proto__', 'constructor')", /no secret "constructor" in the vault "__proto__"/],
      ["secrets.get('v', '\u001b[2J')", /^there is no secret "[^\p{Cc}]+" in the vault "v"/u],
      ["conn.geo.country_code in ['XX']", /conn.geo is not known without a database; set geo: \{ city_file/],
      ['conn.client_ip.geo.location.city', /conn.client_ip.geo is not known/],
      ['conn.client_ip.as.number == 1', /asn_file/],
      ['conn.client_ip.is_tor_node', /write ip_lists: \{ tor: … \}/],
      ['conn.server_ip.is_on_blocklist', /write ip_lists: \{ blocklist: … \}/],
      ['conn.client_ip.categories.size() > 0', /write them under ip_lists:/],
      ["conn.server_region == 'eu'", /set region: in relay.yml/],
    ] as [string, RegExp, string?][]) {
      const [problem, ...more] = unmetDemands(compiled(source).demands, supply)
      assert.ok(problem && more.length === 0, source)
      assert.match(problem.message, message)
      if (place !== undefined) assert.equal(source.slice(problem.start, problem.end), place)
    }
    const met = compiled("secrets.get('v', 'n') == 'x' && secrets.get(vars.vault, 'm') == 'y'")
    assert.deepEqual(unmetDemands(met.demands, supply), [], 'names that are made are looked up when it runs')
  })

  it('reads the names of 2024, and gives the current ones', () => {
    const rows: [source: string, today: string][] = [
      ["conn.ClientIP == '1.2.3.4'", 'conn.client_ip'],
      ["conn.Geo.CountryCode == 'DE'", 'conn.geo.country_code'],
      ["req.Path.startsWith('/x')", 'req.url.path'],
      ["req.URL.contains('/x')", 'req.url'],
      ["req.Method == 'GET'", 'req.method'],
      ["'x' in req.Params", 'req.url.query_params'],
      ["req.ClientTLS.CertCN == 'ann'", 'conn.tls.client.subject.common_name'],
      ["req.ClientTLS.Version == '1.3'", 'conn.tls.version'],
      ["req.Headers['X-A'][0] == 'x'", 'req.headers'],
      ["req.Cookies.exists(c, c.name == 'sid')", 'req.cookies'],
      ["res.StatusCode == '200'", 'res.status_code'],
    ]
    for (const [source, today] of rows) {
      const { warnings, reads } = compiled(source, { phase: 'on_http_response' })
      assert.match(warnings[0]?.message ?? '', new RegExp(`is an older name; write ${today}$`), source)
      assert.ok(
        [...reads].some((path) => path.startsWith(today)),
        source,
      )
    }
  })

  it('warns of an index that fails for every visitor without the header', () => {
    const warned = (source: string): number => compiled(source).warnings.length
    assert.equal(warned("req.headers['x'][0] == 'a'"), 1)
    assert.equal(warned("req.url.query_params['x'][0] == 'a' || req.cookies.sid[0].value == 'b'"), 2)
    assert.equal(warned("'X' in req.headers && req.headers['x'][0] == 'a'"), 0)
    assert.equal(warned("hasReqHeader('X') && req.headers['x'][0] == 'a'"), 0)
    assert.equal(warned("has(req.headers['x']) && req.headers['x'][0] == 'a'"), 0)
    assert.equal(warned('req.content_length > 10'), 1)
    assert.equal(warned('has(req.content_length) && req.content_length > 10'), 0)
    assert.equal(warned("getReqHeader('x').exists(v, v == 'a')"), 0)
  })

  it('repeats no control characters of the expression', () => {
    for (const source of [
      "req.headers['\u001b[2J'][0] == 'a'",
      "req['\u001b[2J'] == 'a'",
      "'x'.matches('(\u001b[2J')",
      "'\\u\u001b[2J'",
      '\u001b[2J',
      "vars.a == '\u001b[2J' && x",
    ]) {
      const expression = compileExpression(source, SETTINGS)
      const told = 'problems' in expression ? expression.problems : expression.warnings
      assert.ok(told.length > 0 && told.every(({ message }) => !message.includes('\u001b')), JSON.stringify(source))
    }
  })

  it('tells what it reads, for routes, logs and callers that must wait', () => {
    const reads = (source: string): Expression['reads'] => compiled(source, { phase: 'on_http_response' }).reads
    assert.deepEqual(
      [
        ...reads("req.url.path == '/' && getReqHeader('X-A').size() > 0 && vars.a.b == 1 && 'k' in req.headers"),
      ].toSorted(),
      ['req.headers', 'req.headers.x-a', 'req.url.path', 'vars.a'],
    )
    for (const [source, both, path] of [
      ["req.url.path == '/'", true, true],
      ["req.url.contains('/')", true, true],
      ["req.url.raw_path == '/'", false, true],
      ["req.url.host == 'x' && req.url.query_params.size() == 0 && req.method == 'GET'", false, false],
    ] as const) {
      assert.deepEqual([dependsOnReading(reads(source)), readsPath(reads(source))], [both, path], source)
    }
    for (const source of [
      "secrets.get('v', 'n')",
      'req.headers',
      "getReqHeader('Authorization')",
      "req.cookies['a']",
      "getReqCookie('a')",
      'actions.ngrok.oidc.identity_token',
      'actions.ngrok.oauth.access_token',
      'actions.ngrok.oidc',
      'actions.ngrok.jwt_validation.tokens[0].payload',
    ]) {
      assert.ok(readsSecrets(reads(source)), source)
    }
    for (const source of ["getReqHeader('x-a')", 'req.url', 'actions.ngrok.oidc.identity.email', 'conn.client_ip']) {
      assert.ok(!readsSecrets(reads(source)), source)
    }
  })

  it('makes no regular expression of a visitor’s input', () => {
    for (const source of [
      "req.url.path.matches(getReqHeader('x')[0])",
      "'a'.matches(req.url.path)",
      "matches('a', res.headers['x'][0])",
      "req.headers.exists(h, 'a'.matches(h))",
      "req.headers.map(h, h + '.').exists(h, 'a'.matches(h))",
    ]) {
      assert.match(refusal(source, { phase: 'on_http_response' })[0], /cannot be made from/, source)
    }
    compiled("['^a', '^b'].exists(p, req.url.path.matches(p))")
    compiled("req.url.path.matches(vars.name) && req.url.path.matches('^/' + endpoint.host)")
  })
})
