// HTTP/1.1 messages as text of bytes: a grammar whose elements are sometimes unusual, then mutations.
// Pure: everything depends only on the random source.

import type { Random } from './random.ts'
import { APP_HOST } from './stack.ts'

const ODD = 0.06 // how often an element is unusual

/** One answer of an app, usually an ordinary one. */
export function makeResponse(random: Random): string {
  let message = ''
  while (random.chance(0.08)) {
    message += `HTTP/1.1 ${random.pick(['100 Continue', '103 Early Hints', '102', '199 x'])}\r\n`
    message += random.chance(0.5) ? `Link: </a>${lineEnd(random)}\r\n` : '\r\n'
  }
  message += `${odd(random, 'HTTP/1.1', VERSIONS)}${odd(random, ' ', SPACES)}${status(random)}${odd(random, ' OK', REASONS)}${lineEnd(random)}`
  message += fields(random)
  message += framedBody(random, message)
  return mutate(message, random)
}

/** One request, or several in a row. Every target begins with `/c<number>/`. */
export function makeRequest(random: Random, number: number): string {
  let message = ''
  do {
    const method = odd(random, random.pick(['GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'DELETE']), METHODS)
    const target = `/c${number}/${odd(random, random.pick(['', 'a?b=c', '%2e', 'x;y']), TARGETS)}`
    const start = message.length
    message += `${method}${odd(random, ' ', SPACES)}${target}${odd(random, ' ', SPACES)}${odd(random, 'HTTP/1.1', VERSIONS)}${lineEnd(random)}`
    message += odd(random, `Host: ${APP_HOST}\r\n`, HOSTS)
    message += fields(random)
    message += framedBody(random, message.slice(start))
  } while (random.chance(0.15))
  const mutated = mutate(message, random)
  // The number must stay: by it we know whose request the app has seen.
  const [, ...numbers] = mutated.split('/c')
  const stays =
    numbers.length === message.split('/c').length - 1 && numbers.every((text) => text.startsWith(`${number}/`))
  return stays ? mutated : message
}

function fields(random: Random): string {
  let head = ''
  while (random.chance(0.5)) head += field(random, odd(random, 'X-A', NAMES), odd(random, 'b', VALUES))
  if (random.chance(0.25)) head += field(random, 'Connection', random.pick(CONNECTIONS))
  if (random.chance(0.45)) {
    head += field(random, odd(random, 'Content-Length', LENGTH_NAMES), odd(random, String(random.below(12)), LENGTHS))
  }
  if (random.chance(0.4)) {
    head += field(random, odd(random, 'Transfer-Encoding', CODING_NAMES), odd(random, 'chunked', CODINGS))
  }
  while (random.chance(0.2)) head += field(random, odd(random, 'X-B', NAMES), odd(random, 'c d', VALUES))
  return head + lineEnd(random)
}

function field(random: Random, name: string, value: string): string {
  return `${name}${odd(random, ':', COLONS)}${random.pick([' ', ' ', '', '\t', '  '])}${value}${random.pick(['', '', '', ' ', '\t'])}${lineEnd(random)}`
}

/** A body that fits the head, most of the time. */
function framedBody(random: Random, text: string): string {
  if (random.chance(0.04)) return random.pick(['', 'x', '0\r\n\r\n', text]) // text: the same again
  if (/transfer-encoding/i.test(text)) {
    let body = ''
    while (random.chance(0.6)) body += chunk(random)
    body += `${odd(random, '0', CHUNK_SIZES)}${odd(random, '', EXTENSIONS)}${lineEnd(random)}`
    while (random.chance(0.15)) body += field(random, odd(random, 'X-Sum', NAMES), odd(random, '1', VALUES))
    return body + lineEnd(random)
  }
  const length = Number(/content-length[ \t]*:\s*(\d{1,3})\b/i.exec(text)?.[1] ?? (random.chance(0.2) ? 3 : 0))
  return 'x'.repeat(Math.max(0, length + (random.chance(0.04) ? random.pick([-1, 1, 2]) : 0)))
}

function chunk(random: Random): string {
  const data = random.pick(['a', 'hello', '\r\n', '0\r\n\r\n', 'x'.repeat(17)])
  const size = random.pick([
    data.length.toString(16),
    data.length.toString(16).toUpperCase(),
    `0${data.length.toString(16)}`,
  ])
  return `${odd(random, size, CHUNK_SIZES)}${odd(random, '', EXTENSIONS)}${lineEnd(random)}${data}${lineEnd(random)}`
}

function status(random: Random): string {
  return odd(random, random.pick(['200', '200', '200', '404', '204', '304', '500']), STATUSES)
}

function lineEnd(random: Random): string {
  return random.chance(0.006) ? random.pick(LINE_ENDS) : '\r\n'
}

function odd(random: Random, usual: string, others: readonly string[]): string {
  return random.chance(ODD) ? random.pick(others) : usual
}

/** Bytes lost, doubled, swapped or inserted. */
export function mutate(message: string, random: Random): string {
  let text = message
  for (let times = random.chance(0.3) ? 1 + random.below(3) : 0; times > 0; times--) {
    const at = random.below(text.length + 1)
    const length = random.pick([0, 0, 1, 1, 2, random.below(12)])
    const put = random.pick([random.pick(BYTES), random.pick(BYTES), '', text.slice(at, at + random.below(20))])
    text = text.slice(0, at) + put + text.slice(at + length)
  }
  return random.chance(0.03) ? text.slice(0, random.below(text.length + 1)) : text
}

const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n ', ' \r\n', '\r\n\t', '', '\r\n\r\n', '\0\r\n', '\v\r\n']
const SPACES = ['  ', '\t', '', ' \t', '\v', '\xa0', '\r', '\n']
const VERSIONS = ['HTTP/1.0', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/1.10', 'HTTP/01.1', 'http/1.1', 'HTTP/1', 'HTTP/ 1.1', 'HTTP /1.1', 'HTTP/1,1', 'ICY', 'RTSP/1.0', 'HTTP/-1.1', 'HTTP/3.0'] // prettier-ignore
const STATUSES = ['100', '101', '103', '199', '204', '205', '304', '099', '600', '999', '0', '20', '2000', '+20', '-200', '2 0', '0x1', ' 200', '1e2', '²00', '200.1'] // prettier-ignore
const REASONS = ['', ' ', ' Très bien', ' a\tb', ' a\0b', '  ', 'OK', '\tOK', ' OK\x7f', ' \x80', ' OK: 1', ' \x1f']
const METHODS = ['get', 'G', 'GETT', 'PATCH', 'CONNECT', 'TRACE', 'FOO', 'PRI', 'M-SEARCH', 'POST\t', 'GE T', '', 'QUERY', 'SOURCE', 'PROPFIND', '\r\nGET', '\nGET'] // prettier-ignore
const TARGETS = ['#a', '\\a', '%00', '\x7f', '\x80', ' b', '\tb', '..', '//', '?a b', '"<>', '\0', 'é', '*', ':80@x', '%zz', '{}|^`'] // prettier-ignore
const HOSTS = [`host:${APP_HOST}\r\n`, '', 'Host: \r\n', `Host: ${APP_HOST}\r\nHost: ${APP_HOST}\r\n`, `Host : ${APP_HOST}\r\n`, `Host: a@${APP_HOST}\r\n`, `Host: ${APP_HOST}:80\r\n`, `Host: ${APP_HOST}.\r\n`, `Host: ${APP_HOST}, x\r\n`, `Host:\r\n ${APP_HOST}\r\n`, `Host: ${APP_HOST}/\r\n`, `hOsT:\t${APP_HOST}\t\r\n`] // prettier-ignore
const NAMES = ['', ' X-C', 'X C', 'X-C ', 'X\tC', 'X(C', 'X\0', 'X-É', 'X:', '\tX', 'Trailer', 'Upgrade', 'Expect', 'Keep-Alive', 'Cookie', 'TE', 'X_A', 'Host', 'Content-Length', 'Transfer-Encoding', '__proto__', 'Content-Length\0', '\x80', '{', 'a/b', 'X-Forwarded-For', 'Sallyport-Auth-Jwt'] // prettier-ignore
const VALUES = ['', 'é\xff', 'a\0b', 'a\rb', 'a\nb', 'a\x7fb', 'a\x01', '"q"', 'a\tb', '\x80', ',', '100-continue', 'trailers', 'websocket', 'h2c', 'a\r\n b', 'a\r\n\tb', 'a\r\n', '\x0b', 'x'.repeat(300)] // prettier-ignore
const CONNECTIONS = ['close', 'keep-alive', 'Close', 'keep-alive, close', 'upgrade', 'x-a', 'TE, close', '', ',', 'close\t', 'content-length', 'transfer-encoding', 'host', 'close;q=1'] // prettier-ignore
const LENGTH_NAMES = ['content-length', 'CONTENT-LENGTH', 'Content-length', 'Content_Length', ' Content-Length', 'Content-Length '] // prettier-ignore
const LENGTHS = ['+3', '-1', '3, 3', '3,3', '0x3', '3.0', '', '3 3', '03', '0000000000000003', '18446744073709551616', '99999999999999999999', '3;', '3\r\nContent-Length: 3', '3\r\nContent-Length: 4', '1e1', "'3'", '3\v', '٣', '9007199254740993', '000', '3\r\nTransfer-Encoding: chunked'] // prettier-ignore
const CODING_NAMES = ['transfer-encoding', 'TRANSFER-ENCODING', 'Transfer_Encoding', 'Transfer-Encoding ', 'X-Transfer-Encoding', 'Transfer-encoding', ' Transfer-Encoding'] // prettier-ignore
const CODINGS = ['Chunked', 'CHUNKED', 'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', '', '"chunked"', 'chunked;q=1', ' chunked', 'xchunked', 'chunkedx', 'chunked\v', 'chunked,', ',chunked', 'chun\tked', 'chunked\r\nTransfer-Encoding: chunked', 'chunked\r\nContent-Length: 3', 'chunked\r\nTransfer-Encoding: identity', 'identity\r\nTransfer-Encoding: chunked'] // prettier-ignore
const COLONS = [' :', '\t:', '', '::', ': :', ';', '=', ':\0', ':\r\n ']
const CHUNK_SIZES = ['', '+5', '-1', '0x5', ' 5', '5 ', '5\t', '00000000000000000005', 'fffffffffffffffff', 'ffffffff', '100000000', 'g', '5 5', '0', '000', '1', 'A', '5\v', '5.0', '٥', '0 ', '0\t', '123456789abcdef0'] // prettier-ignore
const EXTENSIONS = [';x', ';x=y', ';', ' ;x', ';x = y', ';x="y"', ';x="y;z"', ';x="y', ';\0', ';x=y;z', ' x', ';a b', ';=', ';x=', ';x=\n', ';é', '; x=y', ';x=\t', ';x="\\""', ';\x80', ';x;;y', ';x=y=z', ';"x"', ';x=(', ';x="a"b', `;${'y'.repeat(300)}`, ';a\tb', ';x=y ', ';x ', ';x\t=y'] // prettier-ignore
const BYTES = ['\r', '\n', '\r\n', '\0', ' ', '\t', ':', ',', ';', '0', '1', 'f', '+', '-', '"', '\x7f', '\x80', '\xff', '\v', '/', '?', '#', '%', 'x', '\r\n\r\n', '\x1f', '\xa0', '\x85'] // prettier-ignore
