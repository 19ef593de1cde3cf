// Git over smart HTTP as usually served: git's own CGI program behind a small HTTP server (git-http-backend(1)).

import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

/** @param root folder of bare repositories @param onRequest sees every request before git does */
export function makeGitServer(root: string, onRequest: (request: IncomingMessage) => void): Server {
  return createServer((request, response) => {
    onRequest(request)
    serve(root, request, response)
  })
}

function serve(root: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://git')
  const { headers } = request
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_HTTP_MAX_REQUEST_BUFFER: '100M',
      REMOTE_USER: String(headers['sallyport-auth-user-id'] ?? ''), // git requires a name for pushes
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: headers['content-type'],
      ...(headers['content-length'] !== undefined && { CONTENT_LENGTH: headers['content-length'] }),
      ...(headers['content-encoding'] !== undefined && { HTTP_CONTENT_ENCODING: headers['content-encoding'] }),
      ...(headers['git-protocol'] !== undefined && { HTTP_GIT_PROTOCOL: String(headers['git-protocol']) }),
    },
  })
  backend.stdin.on('error', () => {}) // git may answer before it has read everything
  request.pipe(backend.stdin)
  request.on('error', () => backend.kill())
  let head = Buffer.alloc(0)
  backend.stdout.on('data', (chunk: Buffer) => {
    if (response.headersSent) return void response.write(chunk)
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    const fields = head
      .toString('latin1', 0, end)
      .split('\r\n')
      .map((line) => line.split(': ', 2) as [string, string]) // as git writes them
    const status = fields.find(([name]) => name === 'Status')?.[1] ?? '200'
    response.writeHead(Number.parseInt(status, 10), fields.filter(([name]) => name !== 'Status').flat())
    response.write(head.subarray(end + 4))
  })
  backend.once('close', () => response.end())
}
