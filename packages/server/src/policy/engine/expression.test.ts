import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'

import { compileExpression } from './compile-expression.ts'
import { ExpressionError } from './expression-error.ts'
import { ExpressionView } from './expression-view.ts'
import { type Given, SETTINGS, factsOf } from './facts.test-support.ts'

function evaluate(source: string, given?: Given): unknown {
  const phase = given?.response ? ('on_http_response' as const) : SETTINGS.phase
  const expression = compileExpression(source, { ...SETTINGS, phase }, 'any')
  if ('problems' in expression) assert.fail(`${source}: ${expression.problems.map(({ message }) => message).join()}`)
  return expression.evaluate(new ExpressionView(factsOf(given)))
}

function check(rows: readonly (readonly [string, unknown])[], given?: Given): void {
  for (const [source, expected] of rows) assert.deepEqual(evaluate(source, given), expected, source)
}

function fails(source: string, reason: RegExp, given?: Given): void {
  assert.throws(
    () => evaluate(source, given),
    (error) => error instanceof ExpressionError && error.expression === source && reason.test(error.reason),
    source,
  )
}

describe('expressions (traffic policy, the engine)', () => {
  it('read the request', () =>
    check([
      ["req.method == 'GET'", true],
      ['req.host', 'docs.example.com'],
      ['req.version', 'HTTP/1.1'],
      ['req.url', 'https://docs.example.com/guide?x=1&x=2&y=a%20b'],
      ["req.url.contains('/guide')", true],
      ['req.url.path', '/guide'],
      ["req['url'].path + req.url['path']", '/guide/guide'],
      ['req.url.scheme + req.url.host + req.url.authority', 'httpsdocs.example.comdocs.example.com'],
      ['has(req.url.port)', false],
      ['req.url.query', 'x=1&x=2&y=a%20b'],
      ['req.url.uri', '/guide?x=1&x=2&y=a%20b'],
      ["req.url.query_params['y']", ['a b']],
      ["'x' in req.url.query_params", true],
      ['req.url.query_params.map(k, k)', ['x', 'y']],
      ["getQueryParam('x')", ['1', '2']],
      ["getQueryParam('z').size() == 0 && !hasQueryParam('z')", true],
      ['req.content_length', 12n],
      ['req.content_type', 'text/html'],
      ["req.content_type.parameters['charset']", 'utf-8'],
      ['req.content_type.raw', 'Text/HTML; charset="utf-8"'],
      ['req.content_encoding', []],
      ['req.location', ''],
      ['req.ts.header_received == timestamp("2026-01-02T03:04:06Z")', true],
      ['has(req.ts.body_received)', false],
      ['size(req.trailers)', 0n],
    ]))

  it('look headers up in any case, and iterate over them in lower case', () =>
    check([
      ["'X-TOKEN' in req.headers && 'x-token' in req.headers", true],
      ["req.headers['X-Token']", ['a', 'b']],
      ['req.headers.host[0]', 'docs.example.com'],
      ["has(req.headers['x-token']) && !has(req.headers['x-other'])", true],
      ["req.headers.exists(name, name == 'x-token')", true],
      ["req.headers.exists(name, name == 'X-Token')", false],
      ['req.headers.all(name, req.headers[name].size() >= 1)', true],
      ["getReqHeader('x-token')", ['a', 'b']],
      ["getReqHeader('nope')", []],
      ["hasReqHeader('HOST')", true],
      ["req.headers.filter(name, name.startsWith('x-'))", ['x-token']],
      ['size(req.headers)', 6n],
    ]))

  it('see changes by actions between two rules', () => {
    const given: Given = { request: { rawHeaders: ['a', '1'] } }
    const raw: string[] = ['a', '1']
    const facts = factsOf(given)
    const expression = compileExpression("getReqHeader('b').size() + size(req.headers)", SETTINGS, 'any')
    assert.ok(!('problems' in expression))
    Object.defineProperty(facts.request, 'rawHeaders', { get: () => raw })
    const view = new ExpressionView(facts)
    assert.equal(expression.evaluate(view), 1n)
    raw.push('b', '2')
    assert.equal(expression.evaluate(view), 3n)
  })

  it('read cookies', () =>
    check([
      ["req.cookies['sid'].map(c, c.value)", ['1', '2']],
      ["getReqCookie('sid').value", '1'],
      ["getReqCookie('sid').secure", false],
      ["hasReqCookie('theme') && !hasReqCookie('them')", true],
    ]))

  it('read the answer, in its phase', () =>
    check(
      [
        ['res.status_code >= 500', true],
        ["res.headers['content-type'][0]", 'text/plain'],
        ["getResHeader('Content-Type')", ['text/plain']],
        ["hasResHeader('etag')", false],
        ["getResCookie('a').path", '/longer'],
        ["res.cookies['a'].map(c, c.value)", ['2', '1']],
        ["getResCookie('a').max_age == duration('60s')", true],
        ["getResCookie('a').http_only && getResCookie('a').same_site == 'Lax'", true],
        ["getResCookie('a').unparsed_attributes['Priority']", 'High'],
        ["hasResCookie('b')", false],
        ["req.method == 'GET'", true],
        ["res.StatusCode == '503'", true],
      ],
      {
        response: {
          statusCode: 503,
          rawHeaders: [
            'Content-Type',
            'text/plain',
            'Set-Cookie',
            'a=1; Path=/',
            'Set-Cookie',
            'a=2; Path=/longer; Max-Age=60; HttpOnly; SameSite=Lax; Priority=High',
          ],
        },
      },
    ))

  it('read connection, place and endpoint', () =>
    check([
      ["conn.client_ip == '192.0.2.7'", true],
      ["conn.client_ip.startsWith('192.')", true],
      ['conn.client_port + conn.server_port', 40_443n],
      ['conn.server_region', 'eu'],
      ['conn.bytes_in < conn.bytes_out', true],
      ["conn.geo.country_code in ['DE', 'AT']", true],
      ['double(conn.geo.latitude) > 50.0', true],
      ['conn.client_ip.geo.location.is_eu', true],
      ['has(conn.client_ip.geo.registered_location.country) || has(conn.geo.country)', false],
      ['has(conn.geo.country_code) && has(conn.client_ip.as.number)', true],
      ['conn.client_ip.as.number == 64500', true],
      ['conn.client_ip.is_tor_node && !conn.client_ip.is_on_blocklist', true],
      ["'tor' in conn.client_ip.categories", true],
      ["conn.tls.version == '1.3' && conn.tls.negotiated_alpn == 'h2'", true],
      ['has(conn.tls.client)', false],
      ['endpoint.addr + endpoint.protocol + endpoint.id', 'docs.example.com:443httpsedg_docs'],
      ['endpoint.port', 443n],
      ['time.now', '2026-01-02T03:04:07.000Z'],
      ["timestamp(time.now) - conn.ts.start == duration('2s')", true],
    ]))

  it('read variables and results of actions', () =>
    check([
      ["vars.name == 'ann' && vars.count == 3 && vars.flag", true],
      ["'a' in vars.list", true],
      ["vars.list.exists(x, x == 'b')", true],
      ['has(vars.other)', false],
      ["'name' in vars", true],
      ['actions.ngrok.rate_limit.limited && actions.sallyport.rate_limit.limited', true],
      ['has(actions.ngrok.oidc.identity)', false],
      ['has(json.decode(\'{"a": 1}\').a) && !has({"a": 1}.b)', true],
    ]))

  it('parse a user agent', () =>
    check([
      ['req.user_agent.name', 'Chrome'],
      ['req.user_agent.os', 'Linux'],
      ['req.user_agent.is_desktop && !req.user_agent.is_mobile && !req.user_agent.is_bot', true],
      ["req.user_agent.matches('(?i)mozilla')", true],
      ["req.user_agent.contains('Chrome')", true],
    ]))

  it('recognise bots and programs by their names', () => {
    const bot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)'
    const rows: [text: string, name: string, version: string, url: string][] = [
      [bot, 'Googlebot', '2.1', 'http://www.google.com/bot.html'],
      [
        'Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)',
        'bingbot',
        '2.0',
        'http://www.bing.com/bingbot.htm',
      ],
      [
        'Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot',
        'ChatGPT-User',
        '1.0',
        'https://openai.com/bot',
      ],
      ['curl/8.5.0', 'curl', '8.5.0', ''],
      ['PostmanRuntime/7.1', 'PostmanRuntime', '7.1', ''],
    ]
    for (const [text, name, version, url] of rows) {
      const given: Given = { request: { rawHeaders: ['user-agent', text] } }
      const told = evaluate('[req.user_agent.name, req.user_agent.version, req.user_agent.url]', given)
      assert.deepEqual(told, [name, version, url])
      assert.equal(evaluate('req.user_agent.is_bot', given), true)
    }
    assert.equal(evaluate('req.user_agent.name', { request: { rawHeaders: [] } }), '')
  })

  it('have the functions of texts', () =>
    check([
      ["'hello'.charAt(4) + 'hello'.charAt(5)", 'o'],
      ["'hello mellow'.indexOf('')", 0n],
      ["'hello mellow'.indexOf('ello', 2)", 7n],
      ["'hello mellow'.indexOf('jello')", -1n],
      ["'hello mellow'.lastIndexOf('')", 12n],
      ["'hello mellow'.lastIndexOf('ello')", 7n],
      ["'hello mellow'.lastIndexOf('ello', 6)", 1n],
      ["'tacocat'.substring(4) + 'tacocat'.substring(0, 4)", 'cattaco'],
      ["'😀b😀'.substring(1, 2) + '😀b'.charAt(0)", 'b😀'],
      ["'a😀b'.indexOf('b')", 2n],
      ["size('a😀b')", 3n],
      ["'Ärger ÉCOLE'.lower() + 'ärger'.upper()", 'ärger écoleÄRGER'],
      ["'TacoCÆt Xii'.lowerAscii() + 'TacoCÆt'.upperAscii()", 'tacocÆt xiiTACOCÆT'],
      ["'hello mellow'.replace('l', 'L', 2)", 'heLLo mellow'],
      ["'hello mellow'.replace('l', 'L')", 'heLLo meLLow'],
      ["'ab'.replace('', '-')", '-a-b-'],
      ["'  \\ttrim\\n  '.trim()", 'trim'],
      ["'gums'.reverse()", 'smug'],
      ["'hello mellow'.split()", ['hello', 'mellow']],
      ["'hello,mellow,hi'.split(',', 2)", ['hello', 'mellow']],
      ["'hello,mellow,hi'.split(',')", ['hello', 'mellow', 'hi']],
      ["'a,b'.split(',', 0)", []],
      ["getReqHeader('host')[0].split('.', 1)[0]", 'docs'],
      ["'foobar'.matches('foo.*') && matches('foobar', '^f') && !'test'.matches('fail')", true],
      ["'FOO'.matches('(?i)foo')", true],
      ["'foo'.startsWith('f') && 'foo'.endsWith('o') && 'foo'.contains('oo')", true],
      ['strings.quote(\'a "b"\\n\')', '"a \\"b\\"\\n"'],
      [
        "'%s %d %.2f %x %X %b %b %o %e %%'.format(['a', 42, 3.14159, 26, 255, 5, true, 8, 1234.5])",
        'a 42 3.14 1a FF 101 1 10 1.234500e+03 %',
      ],
      ["'%f'.format([3.14])", '3.140000'],
      [
        "'%.0f %.0f %.1f %f %d'.format([2.5, 3.5, 0.25, double('Infinity'), double('-Infinity')])",
        '2 4 0.2 Infinity -Infinity',
      ],
      ["'%s'.format([[1, 'a', {'k': true}]])", '[1, a, {k: true}]'],
      ["'a' + 'b' + string(1) + string(2.5) + string(true)", 'ab12.5true'],
    ]))

  it('have the functions of lists and maps', () =>
    check([
      ["['hello', 'mellow'].join() + ['a', 'b'].join('-') + [].join('/')", 'hellomellowa-b'],
      ['[1, 2, 3, 4].slice(1, 3)', [2n, 3n]],
      ['[1, [2, [3, 4]]].flatten()', [1n, 2n, [3n, 4n]]],
      ['[1, [2, [3, [4]]]].flatten(2)', [1n, 2n, 3n, [4n]]],
      ["[3, 2, 1].sort() == [1, 2, 3] && ['b', 'a'].sort() == ['a', 'b']", true],
      ["[{'n': 'foo', 's': 0}, {'n': 'bar', 's': -10}].sortBy(e, e.s).map(e, e.n)", ['bar', 'foo']],
      ['[1, 2, 2, 3, 3, 3].distinct()', [1n, 2n, 3n]],
      ['lists.range(3)', [0n, 1n, 2n]],
      ["['a', 'b'].encodeJson() + {'a': [1, 2.5, null]}.encodeJson()", '["a","b"]{"a":[1,2.5,null]}'],
      ["{'a': 'b c', 'd': ['1', '2']}.encodeQueryString()", 'a=b+c&d=1&d=2'],
      ["{'one': 1, 'two': 2}.filter(k, k.startsWith('o'))", ['one']],
      ["{'one': 1, 'two': 2, 'three': 3}.map(k, k.startsWith('t'), k.upper())", ['TWO', 'THREE']],
      ['[1, 2, 3].exists_one(x, x == 2) && [1, 2, 3].all(x, x > 0)', true],
      ["size([1, 2]) + [1].size() + size({'a': 1}) + size(b'abc')", 7n],
      ["[1, 'a', 2.0].size()", 3n],
      ['(vars.list + [1]).map(x, x)', ['a', 'b', 1n]],
      ['([1] + vars.list).filter(x, x != 1)', ['a', 'b']],
      ['[] + vars.list == vars.list && {} != {"a": 1} && [] == []', true],
    ]))

  it('have encoders and decoders', () =>
    check([
      ["base64.encode(b'hello') + 'some:thing'.encodeBase64()", 'aGVsbG8=c29tZTp0aGluZw=='],
      ["string(base64.decode('aGVsbG8=')) + 'c29tZTp0aGluZw=='.decodeBase64()", 'hellosome:thing'],
      ['json.decode(\'{"a":[1,{"b":"c"}]}\').a[1].b', 'c'],
      ['json.decode(\'{"a":1}\').a == 1', true],
      ["json.encode({'a': ['b']})", '{"a":["b"]}'],
      ["'{\"a\":1}'.isJson() && !'not json'.isJson()", true],
      [
        "queryString.decode('a=b&c=d&c=e')",
        new Map<string, unknown>([
          ['a', 'b'],
          ['c', ['d', 'e']],
        ]),
      ],
      ["'a=b&c=d'.isQueryString() && !'not a query string'.isQueryString()", true],
      ["url.escape('i;md/r/$y') + \"it's!\".escapeUrl()", 'i%3Bmd%2Fr%2F%24yit%27s%21'],
      ["'i%3Bmd%2Fr'.unescapeUrl() + url.unescape('%2Ffoo')", 'i;md/r/foo'],
      ["url.parse(req.url).host + 'https://a.example:8443/p?q=1'.parseUrl().path", 'docs.example.com/p'],
      ["'https://ngrok.com'.isURL() && !'not a url'.isURL()", true],
      ["basic_auth.encode('username', 'password1')", 'Basic dXNlcm5hbWU6cGFzc3dvcmQx'],
      ["secrets.get('v', 'n')", 's3cret'],
    ]))

  it('have the functions of addresses', () =>
    check([
      ["inCidrRange('192.168.1.100', '192.168.1.0/24')", true],
      ["inCidrRange(conn.client_ip, '66.249.66.1/24')", false],
      ["inCidrRange('10.0.0.1', 'nonsense')", false],
      ["inCidrRanges('10.0.0.1', ['nonsense', '10.0.0.0/8', '2001:4860::/32'])", true],
      ["inCidrRange('::ffff:10.0.0.1', '10.0.0.0/8')", true],
      ["'192.168.1.1'.isPrivateIp() && !'8.8.8.8'.isPrivateIp() && !'x'.isPrivateIp()", true],
    ]))

  it('have times and durations', () =>
    check([
      ["timestamp('2023-12-25T00:00:00Z').getDate('America/Los_Angeles')", 24n],
      ["timestamp('2023-12-25T00:00:00Z').getDayOfMonth()", 24n],
      ["timestamp('2023-12-25T12:00:00Z').getDayOfWeek()", 1n],
      ["timestamp('2023-12-25T12:00:00Z').getDayOfYear()", 358n],
      ["timestamp('2023-12-25T12:00:00Z').getMonth() + timestamp('2023-12-25T12:00:00Z').getFullYear()", 2034n],
      ["timestamp('2023-12-25T12:00:00.500Z').getMilliseconds()", 500n],
      ["timestamp('2023-12-25T12:30:30Z').getHours('+05:30')", 18n],
      ["timestamp('2023-12-25T12:30:30Z').getMinutes('-00:31')", 59n],
      ["duration('3h').getHours() + duration('1h30m').getMinutes() + duration('1m30s').getSeconds()", 183n],
      ["duration('1.234s').getMilliseconds()", 234n],
      ["string(timestamp('2023-12-25T12:00:00.5Z')) + string(duration('90s'))", '2023-12-25T12:00:00.5Z90s'],
      ["int(timestamp('1970-01-01T00:01:00Z'))", 60n],
      ["duration('1s') + timestamp(60) == timestamp(61)", true],
      ["timestamp('2026-01-02T03:04:05.678Z') - timestamp('1826-01-02T03:04:05Z') == duration('1753176h0.678s')", true],
      ["timestamp(60) + duration('1s') > timestamp('1970-01-01T00:01:00Z')", true],
    ]))

  it('convert', () =>
    check([
      ["int('42') + int(3.9) + int(7u)", 52n],
      ["double('2.5') + double(1)", 3.5],
      ["bool('true') && !bool('0')", true],
      ["uint(3) == 3u && string(3u) == '3'", true],
      ["b'a' < b'b' && b'\\xff' > b'a' && !(b'a' >= b'b')", true],
      ["bytes('ä') == b'\\xc3\\xa4' && string(b'\\xc3\\xa4') == 'ä'", true],
      ["type(1) == int && type('a') == string", true],
      ['dyn(1) == 1.0', true],
      ['int(rand.int(0, 2)) in [0, 1, 2] && rand.double() < 1.0 && rand.int() <= 1', true],
    ]))

  it('absorb an error beside a deciding operand, in either order', () =>
    check([
      ["false && req.headers['nope'][0] == 'x'", false],
      ["req.headers['nope'][0] == 'x' && false", false],
      ["true || req.headers['nope'][0] == 'x'", true],
      ["req.headers['nope'][0] == 'x' || true", true],
      ['[1, 0].exists(x, 1 / x == 1)', true],
    ]))

  it('fail with their text and a reason, and without a value of the visitor', () => {
    fails("req.headers['nope'][0] == 'x'", /^there is no nope$/)
    fails("req.cookies[getReqHeader('x-token')[0]][0].value == 'x'", /^there is no such key$/, {
      request: { rawHeaders: ['x-token', 'zzz\u001b[31m'] },
    })
    fails("getReqHeader('nope')[0]", /no item at this place/)
    fails("getReqCookie('nope').value", /no such cookie/)
    fails("vars.nope == 'x'", /there is no nope/)
    fails('1 / (vars.count - 3)', /divides by zero/)
    fails('9223372036854775807 + vars.count', /out of range/)
    fails('-(-9223372036854775807 - 1)', /out of range/)
    fails("int('x')", /not a whole number/)
    fails("'hello'.charAt(-1)", /outside of the text/)
    fails("'hello mellow'.lastIndexOf('ello', 20)", /outside of the text/)
    fails("'tacocat'.substring(2, 1)", /end is before the start/)
    fails('[1, [2]].flatten(-1)', /negative/)
    fails("[1, 'b'].sort()", /cannot be sorted/)
    fails("base64.decode('aGVsbG8')", /not base64/)
    fails("json.decode('{')", /not JSON/)
    fails("inCidrRange(conn.client_ip, '10.0.0.0/8')", /not an IP address/, {
      facts: { connection: { ...factsOf().connection, clientIp: 'unknown' } },
    })
    fails('timestamp(time.now).getHours("Nowhere/Else")', /time zone is not known/)
    fails("url.unescape('%zz')", /not followed by two digits/)
    fails('vars.name && true', /neither true nor false/)
    fails("vars.name.split(',')[0] + vars.count", /cannot be combined/)
    fails("duration('9000000000s') + duration('9000000000s') > duration('0s')", /duration is out of range/)
    fails(
      "timestamp('9999-01-01T00:00:00Z') - timestamp('0001-01-01T00:00:00Z') > duration('0s')",
      /duration is out of range/,
    )
    fails('int(-9223372036854775808.0)', /out of range/)
    fails("timestamp('9999-12-31T00:00:00Z') + duration('48h') > timestamp(0)", /time is out of range/)
    fails("string(timestamp('0001-01-01T00:00:00Z') - duration('48h'))", /time is out of range/)
    fails('[][0] * 2', /no item at this place/)
    fails('([] + vars.list).all(x, x.substring(x) == "a")', /does not take these values/)
    fails("'x'.matches(vars.name + '(')", /not a regular expression/)
  })

  it('keep messages with values out of the log', () => {
    const expression = compileExpression("{'a': true}[getReqHeader('authorization')[0]]", SETTINGS)
    assert.ok(!('problems' in expression))
    const view = new ExpressionView(factsOf({ request: { rawHeaders: ['authorization', 'Bearer s3cret'] } }))
    assert.throws(
      () => expression.isTrue(view),
      (error) => error instanceof ExpressionError && !inspect(error, { depth: 10 }).includes('s3cret'),
    )
  })

  it('refuse a condition that is neither true nor false', () => {
    const expression = compileExpression('vars.name', SETTINGS)
    assert.ok(!('problems' in expression))
    assert.throws(() => expression.isTrue(new ExpressionView(factsOf())), /neither true nor false/)
  })
})
