// The names of ngrok's expressions (sections 4 to 6 of the reference): variables by the phases in which they exist, functions by each
// documented form, and the results of actions.

const place = ['city', 'continent', 'country', 'country_code', 'is_eu', 'metro_code', 'subdivision', 'timezone']
const PEOPLE = ['common_name', 'country', 'locality', 'organization', 'organizational_unit', 'postal_code', 'province', 'street_address'] // prettier-ignore

const below = (roots: readonly string[], names: readonly string[]): string[] =>
  roots.flatMap((root) => names.map((name) => (name === '' ? root : `${root}.${name}`)))

const ADDRESS = [
  '',
  'categories',
  'is_on_blocklist',
  'is_tor_node',
  'as.number',
  'as.organization',
  ...below(['geo.location'], [...place, 'latitude', 'longitude', 'postal_code', 'radius']),
  ...below(['geo.registered_location'], place),
]
const CERTIFICATE = [
  ...below(['issuer', 'subject'], ['', ...PEOPLE]),
  ...below(['san'], ['', 'dns_names', 'email_addresses', 'ip_addresses', 'uris']),
  'serial_number',
  'signature_algorithm',
  'validity.not_after',
  'validity.not_before',
  'extensions[0].id',
  'extensions[0].critical',
  'extensions[0].value',
]
const COOKIES = ['[0].name', '[0].value']

/** In every phase. */
export const CONNECTION_NAMES = [
  ...below(['conn.client_ip', 'conn.server_ip'], ADDRESS),
  ...below(['conn'], ['client_port', 'server_port', 'server_region', 'ts.start']),
  ...below(['conn.geo'], ['city', 'country', 'country_code', 'latitude', 'longitude', 'radius', 'subdivision']),
  ...below(['conn.tls'], ['version', 'cipher_suite', 'sni', 'negotiated_alpn', 'session_resumed']),
  ...below(['conn.tls.client', 'conn.tls.server'], CERTIFICATE),
  'conn.tls.client.pem',
  ...below(['endpoint'], ['addr', 'host', 'id', 'protocol', 'url', 'port']),
  'time.now',
  'vars.x',
]

const USER_AGENT = ['name', 'version', 'os', 'os_version', 'device', 'url', 'is_mobile', 'is_tablet', 'is_desktop', 'is_bot'] // prettier-ignore
const URL_PARTS = ['', 'scheme', 'host', 'port', 'authority', 'path', 'query', 'query_params', 'uri', 'raw', 'raw_path', 'user_password'] // prettier-ignore
const MESSAGE = ['headers', 'trailers', 'location', 'content_length', 'content_encoding', ...below(['content_type'], ['', 'parameters', 'raw'])] // prettier-ignore

/** On requests and responses. */
export const REQUEST_NAMES = [
  'conn.bytes_in',
  'conn.bytes_out',
  ...below(['req'], ['method', 'host', 'version', ...MESSAGE, 'ts.header_received', 'ts.body_received']),
  ...below(['req.url'], URL_PARTS),
  ...below(['req.user_agent'], ['', ...USER_AGENT]),
  ...COOKIES.map((part) => `req.cookies['a']${part}`),
  "req.url.query_params['a'][0]",
  "req.headers['a'][0]",
]

/** On responses only. */
export const RESPONSE_NAMES = [
  ...below(['res'], ['status_code', ...MESSAGE]),
  ...[...COOKIES, ...['domain', 'path', 'expires', 'max_age', 'http_only', 'secure', 'same_site', 'unparsed_attributes'].map((name) => `[0].${name}`)].map((part) => `res.cookies['a']${part}`), // prettier-ignore
]

const ERROR = ['error.code', 'error.message']
const SESSION = ['access_token', 'refresh_token', 'expires_at', 'session_timed_out', 'session_max_duration_reached', 'userinfo_refreshed', ...ERROR] // prettier-ignore
const IDENTITY = ['id', 'email', 'name', 'provider_user_id']

/** Below `actions.ngrok` and `actions.sallyport`. */
export const RESULT_NAMES = [
  'add_headers.headers_added',
  'remove_headers.headers_removed',
  ...below(['basic_auth.credentials'], ['presented', 'username', 'authorized']),
  'compress.already_compressed',
  'compress.negotiated_algorithm',
  ...below(['http_request'], ERROR),
  ...below(
    ['http_request.attempts[0]'],
    ['resolved_ip', 'response_header', 'response_status_code', 'response_time_ms'],
  ),
  ...below(['http_request.req'], ['method', 'header', 'url', 'body']),
  ...below(['http_request.res'], ['resolved_ip', 'header', 'status_code', 'time_ms', 'body']),
  ...below(
    ['jwt_validation.tokens[0]'],
    ['header', 'payload', 'signature', 'location', 'location_property', 'verified'],
  ),
  ...below(['jwt_validation'], ERROR),
  'log.metadata',
  ...below(['oauth'], [...below(['identity'], [...IDENTITY, 'current_provider_session_id']), ...SESSION]),
  ...below(['oidc'], [...below(['identity'], [...IDENTITY, 'current_session_id']), 'identity_token', ...SESSION]),
  ...below(['rate_limit'], ['bucket_key', 'limited', ...ERROR]),
  ...below(['redirect', 'url_rewrite'], ['matches', 'url', ...ERROR]),
  ...below(['restrict_ips'], ['action', 'matched_cidr', ...ERROR]),
  ...below(['verify_webhook'], ['verified', ...ERROR]),
  ...below(['terminate_tls'], ['version', 'cipher_suite', 'sni', 'negotiated_alpn', 'session_resumed']),
]

const each = (form: string, names: string): string[] => names.split(' ').map((name) => form.replace('NAME', name))

/** In every phase. */
export const FUNCTION_FORMS = [
  "inCidrRange('a', 'b')",
  "inCidrRanges('a', ['b'])",
  "'a'.isPrivateIp()",
  "'a'.charAt(0)",
  "'a'.replace('a', 'b')",
  "'a'.replace('a', 'b', 1)",
  "'a'.substring(0)",
  "'a'.substring(0, 1)",
  "'a'.split()",
  "'a'.split(',')",
  "'a'.split(',', 1)",
  "'%s %d %f %x %b'.format(['a', 1, 1.0, 255, true])",
  "strings.quote('a')",
  "matches('a', 'b')",
  "'a'.matches('b')",
  ...each("'a'.NAME('a')", 'indexOf lastIndexOf startsWith endsWith contains'),
  ...each("'a'.NAME('a', 0)", 'indexOf lastIndexOf'),
  ...each("'a'.NAME()", 'lower upper lowerAscii upperAscii trim reverse encodeBase64 decodeBase64 decodeJson isJson decodeQueryString isQueryString escapeUrl unescapeUrl parseUrl isURL'), // prettier-ignore
  "['a'].join()",
  "['a'].join(',')",
  '[1].slice(0, 1)',
  '[[1]].flatten()',
  '[[1]].flatten(1)',
  '[1].sort()',
  '[1].sortBy(x, -x)',
  '[1].distinct()',
  'lists.range(3)',
  '[1].encodeJson()',
  "{'a': 1}.encodeJson()",
  "{'a': 'b'}.encodeQueryString()",
  "{'a': 1}.map(k, k)",
  "{'a': 1}.filter(k, true)",
  "{'a': 1}.all(k, true)",
  "{'a': 1}.exists(k, true)",
  "{'a': 1}.exists_one(k, true)",
  "base64.encode(b'a')",
  "base64.decode('YQ==')",
  'json.encode([1])',
  "json.decode('[1]')",
  "queryString.encode({'a': 'b'})",
  "queryString.decode('a=b')",
  "basic_auth.encode('a', 'b')",
  ...each("url.NAME('a')", 'escape unescape parse'),
  ...each("hash.NAME('a')", 'md5 sha1 sha256 sha512 crc32 crc64 xxhash64'),
  ...each("hash.NAME('a', 'base64')", 'md5 sha1 sha256 sha512 crc32 crc64 xxhash64'),
  ...each("'a'.NAME()", 'md5 sha1 sha256 sha512 crc32 crc64 xxhash64'),
  ...each("'a'.NAME('hex')", 'md5 sha1 sha256 sha512 crc32 crc64 xxhash64'),
  'rand.int()',
  'rand.int(0, 2)',
  'rand.double()',
  "secrets.get('v', 'n')",
  ...each('timestamp(time.now).NAME()', 'getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMinutes getSeconds getMilliseconds getMonth'), // prettier-ignore
  ...each("timestamp(time.now).NAME('Europe/Berlin')", 'getDate getDayOfMonth getDayOfWeek getDayOfYear getFullYear getHours getMinutes getSeconds getMilliseconds getMonth'), // prettier-ignore
  ...each("duration('1h').NAME()", 'getHours getMinutes getSeconds getMilliseconds'),
  "size('a')",
  "'a'.size()",
  "int('1')",
  "uint('1')",
  "double('1')",
  'string(1)',
  "bytes('a')",
  "bool('true')",
  "timestamp('2026-01-02T03:04:05Z')",
  "duration('1h')",
  'type(1) == int',
  'dyn(1)',
  'has(vars.x)',
  "has({'a': 1}.a)",
  '[1].all(x, x > 0)',
  '[1].exists(x, x > 0)',
  '[1].exists_one(x, x > 0)',
  '[1].map(x, x)',
  '[1].filter(x, x > 0)',
]

/** On requests and responses. */
export const REQUEST_FORMS = [
  ...each("NAME('a')", 'getReqHeader hasReqHeader getReqCookie hasReqCookie getQueryParam hasQueryParam'),
  'has(req.content_length)',
  "getReqCookie('a').value",
]

/** On responses only. */
export const RESPONSE_FORMS = each("NAME('a')", 'getResHeader hasResHeader getResCookie hasResCookie')

/** In `retry_condition` only. */
export const RETRY_NAMES = ['attempts', ...below(['last_attempt'], ['req', 'res', ...ERROR])]

/** Section 13 of the reference: what is refused, and with which sentence. */
export const REFUSED_NAMES: readonly (readonly [name: string, sentence: RegExp])[] = [
  ['conn.tls.ja4_fingerprint', /is not known to this relay/],
  ['conn.k8s.pod.name', /is not known to this relay/],
  ['conn.k8s.pod', /is not known to this relay/],
  ['req.path', /did you mean req\.url\.path\?/],
  ['request.method', /did you mean req/],
  ["req.host.includes('a')", /contains/],
  ["req.host.starts_with('a')", /startsWith/],
  ['req.host == ${vars.test}', /without \$\{\}|vars\.test/],
]

/** What section 6 of the reference says of single functions: each is true. */
export const BEHAVIOURS = [
  "'a,b,c'.split(',', 2) == ['a', 'b']",
  "'a b c'.split() == ['a', 'b', 'c']",
  "getReqHeader('host')[0].split('.', 1)[0] == 'docs'",
  "'ab'.charAt(1) == 'b' && 'ab'.charAt(2) == ''",
  "'i;md/r/$y'.escapeUrl() == 'i%3Bmd%2Fr%2F%24y' && url.escape(\"!'()*\") == '%21%27%28%29%2A'",
  "hash.crc32('hello') == '3610a686' && 'hello'.crc32() == '3610a686'",
  "hash.crc64('hello') == '3c3eeee2d8100000' && 'hello'.crc64('hex') == '3c3eeee2d8100000'",
  "hash.xxhash64('hello') == '26c7827d889f6da3'",
  "base64.decode(hash.md5('a', 'base64')).size() == 16",
  'lists.range(300).map(x, rand.int(0, 2)).distinct().sort() == [0, 1, 2]',
  'lists.range(100).map(x, rand.int()).distinct().sort() == [0, 1]',
  'lists.range(100).all(x, rand.double() >= 0.0 && rand.double() < 1.0)',
  "timestamp('2026-01-01T00:00:00Z').getMonth() == 0 && timestamp('2026-01-01T00:00:00Z').getDayOfMonth() == 0",
  "timestamp('2026-01-01T00:00:00Z').getDate() == 1 && timestamp('2026-01-01T00:00:00Z').getDayOfYear() == 0",
  "timestamp('2026-01-04T00:00:00Z').getDayOfWeek() == 0",
  "!inCidrRange('192.0.2.1', 'no range') && inCidrRange('192.0.2.1', '192.0.2.0/24')",
  "inCidrRanges('192.0.2.1', ['no range', '192.0.2.0/24']) && !inCidrRanges('192.0.2.1', ['no range'])",
  "'10.0.0.1'.isPrivateIp() && !'8.8.8.8'.isPrivateIp()",
  "'ÄB'.lower() == 'äb' && 'ÄB'.lowerAscii() == 'Äb' && 'äb'.upper() == 'ÄB' && 'äb'.upperAscii() == 'äB'",
  "'%b %b'.format([true, 5]) == '1 101'",
  "'YQ=='.decodeBase64() == 'a' && 'a'.encodeBase64() == 'YQ=='",
  "basic_auth.encode('user', 'password') == 'Basic dXNlcjpwYXNzd29yZA=='",
  "getReqCookie('sid').value == '1' && getReqHeader('missing') == [] && !hasQueryParam('missing')",
  "type(time.now) == string && timestamp(time.now) > timestamp('2026-01-01T00:00:00Z')",
  "secrets.get('v', 'n') == 's3cret'",
  "!('Authorization' in req.headers) && 'X-TOKEN' in req.headers && req.headers.exists(name, name == 'x-token')",
]

/** Each fails: it is an error, not an empty value. */
export const FAILURES = [
  "'ab'.charAt(3)",
  "base64.decode('not base64!')",
  "req.headers['missing'][0]",
  "secrets.get('v', vars.name)",
  "timestamp('no time')",
]
