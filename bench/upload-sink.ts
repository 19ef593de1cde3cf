// An app that reads uploads and counts them: nginx cannot read a body without keeping it.

import { createServer } from 'node:http'

const server = createServer((request, response) => {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => response.end(`${bytes}\n`))
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }))
})
process.once('SIGTERM', () => process.exit(0))
