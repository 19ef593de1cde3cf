// Policies that show functions. Each answers with a function's result, or decides by it.

import type { PolicyCase, Visit } from './policy-case.ts'

/** A policy that answers with texts of expressions, one for each line. */
function telling(
  name: string,
  told: readonly (readonly [expression: string, text: string])[],
  visit: Visit[2] = {},
): PolicyCase {
  const body = told.map(([expression]) => `\${${expression}}`).join('\n')
  return {
    name,
    policy: JSON.stringify({ on_http_request: [{ actions: [{ type: 'custom-response', config: { body } }] }] }),
    visits: [
      ['GET /some/path?q=a%20b&q=c', { status: 200, body: told.map(([, text]) => text).join('\n'), app: false }, visit],
    ],
  }
}

export const FUNCTIONS: readonly PolicyCase[] = [
  telling('texts', [
    ["'Straße'.upper()", 'STRASSE'],
    ["'ÄB'.lowerAscii()", 'Äb'],
    ["' a '.trim() + 'b'.reverse()", 'ab'],
    ["'a,b,c'.split(',', 2).join('/')", 'a/b'],
    ["'one two'.replace('o', '0', 1)", '0ne two'],
    ["'abcdef'.substring(2, 4) + 'x'.charAt(0)", 'cdx'],
    ["string('abcabc'.indexOf('c')) + string('abcabc'.lastIndexOf('c'))", '25'],
    ["'%s has %d and %b'.format(['x', 7, true])", 'x has 7 and 1'],
    ["strings.quote('a\"b')", '"a\\"b"'],
  ]),
  telling('lists and maps', [
    ['lists.range(4).map(n, string(n)).join(",")', '0,1,2,3'],
    ['[3, 1, 2].sort().map(n, string(n)).join("")', '123'],
    ["['bb', 'a', 'ccc'].sortBy(t, t.size()).join(' ')", 'a bb ccc'],
    ['string([[1, 2], [3]].flatten().size())', '3'],
    ["['a', 'b', 'a'].distinct().encodeJson()", '["a","b"]'],
    ["['a', 'b', 'c', 'd'].slice(1, 3).join('')", 'bc'],
    ["{'b': 1}.encodeJson()", '{"b":1}'],
    ["{'a': 'x y'}.encodeQueryString()", 'a=x+y'],
    ["string([1, 2, 3].all(n, n > 0) && {'k': 1}.exists(k, k == 'k') && [1, 1].exists_one(n, n == 2))", 'false'],
  ]),
  telling('encodings', [
    ["'höhe'.encodeBase64()", 'aMO2aGU='],
    ["'aMO2aGU='.decodeBase64()", 'höhe'],
    ["json.decode('{\"a\": [1, 2]}').a[1] == 2 ? 'yes' : 'no'", 'yes'],
    ["'{'.isJson() ? 'json' : 'none'", 'none'],
    ["url.escape('a b/ü')", 'a%20b%2F%C3%BC'],
    ["url.unescape('a%20b')", 'a b'],
    ["'https://u@h.example:81/p?q#f'.parseUrl().host", 'h.example'],
    ["basic_auth.encode('ada', 'secret')", 'Basic YWRhOnNlY3JldA=='],
    ["'a=1&a=2'.decodeQueryString()['a'].join('')", '12'],
  ]),
  telling('hashes and numbers', [
    ["hash.md5('hello')", '5d41402abc4b2a76b9719d911017c592'],
    ["hash.sha1('hello')", 'aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d'],
    ["hash.sha256('hello', 'base64')", 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='],
    ["hash.crc32('hello')", '3610a686'],
    ["hash.crc64('hello')", '3c3eeee2d8100000'],
    ["'hello'.xxhash64()", '26c7827d889f6da3'],
    ['string(rand.int(3, 3)) + string(rand.double() < 1.0)', '3true'],
    ["string(int('7') + 1) + string(double('2.5')) + string(uint(3u))", '82.53'],
  ]),
  telling('times', [
    ["string(timestamp('2026-03-01T22:30:00Z').getDayOfWeek('Europe/Berlin'))", '0'],
    ["string(timestamp('2026-03-01T22:30:00Z').getHours('Asia/Tokyo'))", '7'],
    ["string(timestamp('2026-03-01T22:30:00Z').getMonth())", '2'],
    ["string(timestamp('2026-03-01T22:30:00Z') + duration('90m') > timestamp('2026-03-02T00:00:00Z'))", 'false'],
    ["string(duration('2h').getMinutes())", '120'],
  ]),
  telling('addresses', [
    ["string(inCidrRanges('10.1.2.3', ['192.0.2.0/24', 'no range', '10.0.0.0/8']))", 'true'],
    ["string(inCidrRange('10.1.2.3', 'no range'))", 'false'],
    ["string('192.168.1.1'.isPrivateIp()) + string('8.8.8.8'.isPrivateIp())", 'truefalse'],
    ["string(inCidrRange('2001:db8::1', '2001:db8::/32'))", 'true'],
  ]),
  telling(
    'headers, cookies and the query of a request',
    [
      ["getReqHeader('X-A').join('|')", 'one|two'],
      ["string(getReqHeader('none').size())", '0'],
      ["getReqCookie('sid').value", 'first'],
      ["string('sid' in req.cookies && req.cookies['sid'].size() == 2)", 'true'],
      ["getQueryParam('q').join('|')", 'a b|c'],
      ["string(hasQueryParam('r') || hasReqCookie('x') || hasReqHeader('x-b'))", 'false'],
      ["req.headers.filter(n, n.startsWith('x-')).join('|')", 'x-a|x-forwarded-for|x-forwarded-proto|x-forwarded-host'],
    ],
    { headers: { 'x-a': ['one', 'two'], cookie: 'sid=first; sid=second' } },
  ),
  {
    name: 'regular expressions of RE2, which take no longer than their text',
    policy: `
on_http_request:
  - expressions: ["req.url.path.matches('^(/[a-z]+)+$')"]
    actions: [{ type: custom-response, config: { status_code: 404 } }]
`,
    visits: [
      ['GET /a/b', 404],
      [`GET ${'/a'.repeat(2000)}/1`, 200],
    ],
  },
  {
    name: 'a share of visitors, by a hash of their address',
    policy: `
on_http_request:
  - actions:
      - type: set-vars
        config: { vars: [{ half: "\${hash.crc32(conn.client_ip).matches('^[0-7]')}" }] }
  - expressions: [vars.half]
    actions: [{ type: custom-response, config: { body: one half } }]
  - actions: [{ type: custom-response, config: { body: other half } }]
`,
    visits: [
      ['GET /', { status: 200, body: /half/, app: false }],
      ['GET /', { status: 200, body: /half$/, app: false }, { from: '127.0.0.9' }],
    ],
  },
]
