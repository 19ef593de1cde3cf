// Names and values that have broken programs: keys of every object, names with a meaning, bytes at the edge of what a
// grammar allows.

/** Of header and trailer fields. */
export const NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  'hasOwnProperty',
  '__defineGetter__',
  'prototype', // prettier-ignore
  'Host',
  'TE',
  'Content-Length',
  'Transfer-Encoding',
  'Date',
  'Status',
  ':status',
  'Cookie',
  'Set-Cookie',
  'Trailer',
  'Connection',
  'Keep-Alive',
  'Proxy-Connection', // prettier-ignore
  'HTTP2-Settings',
  'Upgrade',
  'Expect',
  'ETag',
  'Location',
  'Link',
  'Age',
  'Authorization',
  'Last-Modified',
  'Content-Type',
  'Content-Encoding', // prettier-ignore
  'Access-Control-Max-Age',
  'X-Content-Type-Options',
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'WWW-Authenticate',
  'Sallyport-Error-Code', // prettier-ignore
  'X-A',
  'X_y',
  'x.y',
  '~',
  '%',
  '!',
  "'",
  '`',
  '|',
  '^',
  '0',
  'grpc-status',
  'x'.repeat(3000), // prettier-ignore
]

/** Of fields. */
export const VALUES: readonly string[] = [
  'x',
  '',
  '\xe4\xff',
  'a\tb',
  '"',
  'trailers',
  '0',
  '-1',
  '5',
  '5, 5',
  'close',
  'keep-alive',
  'chunked',
  'websocket',
  'h2c',
  'Negotiate',
  'NTLM',
  'gzip',
  ',',
  ';=', // prettier-ignore
  '__proto__',
  'constructor',
  'a\0b',
  '\x7f',
  'x'.repeat(20_000),
  '=?'.repeat(2000), // prettier-ignore
]

/** Of `Link`. */
export const LINKS: readonly string[] = [
  '</a.css>; rel=preload; as=style',
  '</a.css>; rel=preload; as=style, </b.js>; rel=preload; as=script', // prettier-ignore
  '</a>; rel="preload stylesheet"',
  `<x>${'; a=b'.repeat(28)}; "`,
  `<x>${'; a=b'.repeat(3000)}; "`,
  '<',
  '>',
  '',
  'x',
  '<>',
  '<x>',
  '<x>;',
  '<x>; rel', // prettier-ignore
  '<\xe4>; rel=preload',
  '</a>;rel=preload',
  '</a> ; rel = preload',
  '</a>; rel="a,b"; x="<y>, z"',
  '</a\0>; rel=x',
  ','.repeat(5000),
  '<'.repeat(5000), // prettier-ignore
]
