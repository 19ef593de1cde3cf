// node:http without the modules that come along with it. An `import` of it reads each of its exports once, WebSocket
// and MessageEvent among them, and so loads undici, the web streams and readline: 13 MB that an idle process keeps
// (Node.js 24.21). Types may be imported as usual.

export const { METHODS, STATUS_CODES, Server, ServerResponse, createServer, request, validateHeaderValue } =
  process.getBuiltinModule('node:http')
