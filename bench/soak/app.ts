// The app of the soak: it answers after some milliseconds, as real apps do, and counts how often it has seen each id.
// It prints {"port": …}; GET /counts on 127.0.0.1 lists ids that came more than once.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const WORK_MS = 3 // long enough that requests are always under way

const seen = { GET: new Map<string, number>(), POST: new Map<string, number>() }
const server = createServer((request, response) => {
  const { method, url = '' } = request
  if (url === '/counts') {
    const twice = (counts: Map<string, number>): string[] =>
      [...counts].filter(([, count]) => count > 1).map(([id]) => id)
    response.end(
      JSON.stringify({ GET: twice(seen.GET), POST: twice(seen.POST), requests: seen.GET.size + seen.POST.size }),
    )
    return
  }
  const counts = method === 'POST' ? seen.POST : seen.GET
  counts.set(url, (counts.get(url) ?? 0) + 1)
  request.resume()
  setTimeout(() => response.writeHead(200, { 'content-length': '5' }).end('fine\n'), WORK_MS)
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
process.once('SIGTERM', () => process.exit(0))
