// The app of the demo: a small site that knows nothing of sign-in. What it says about the visitor it reads from the
// headers that the relay sets. Usage: site.ts PORT

import { createServer } from 'node:http'

const STYLE = `
:root { color-scheme: light dark }
body { margin: 0; min-height: 100vh; display: grid; place-content: center; gap: 1rem; text-align: center; font: 1.125rem/1.6 system-ui, sans-serif; background: light-dark(#f3f6f4, #14181a); color: light-dark(#1c2622, #e6e9e7) }
h1 { margin: 0; font-size: 2.25rem } p { margin: 0 } small { opacity: .7 }
a { color: light-dark(#0b5a4a, #6fcdb4) }
`

const server = createServer((request, response) => {
  if (request.url !== '/') {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There is only one page here.\n')
    return
  }
  const name = escape(decode(request.headers['sallyport-auth-user-name']))
  const email = escape(decode(request.headers['sallyport-auth-user-email']))
  const body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>My application</title>
<style>${STYLE}</style>
<h1>My application</h1>
<p>This is a protected application.</p>
<p><small>${name ? `You are ${name} (${email}).` : 'Nobody has signed in.'} Reload to see the agents take turns. <a href="/.sallyport/logout">Sign out</a></small></p>
</html>
`
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(body) })
  response.end(body)
})

server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address()
  console.log(JSON.stringify({ port: typeof address === 'object' ? address?.port : undefined }))
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close()
    server.closeAllConnections()
  })
}

function decode(header: string | string[] | undefined): string {
  return typeof header === 'string' ? decodeURIComponent(header) : ''
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
