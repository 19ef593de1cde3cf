// The app of the demo: a small site without its own sign-in. It reads its visitor's identity from the token that
// the relay has signed. It listens on one port for each agent, so it knows which agent has brought a request, and it
// has a button that stops that agent. Its options are one JSON text in the environment variable SITE. It prints a line
// when it answers.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

import { createRemoteJWKSet, jwtVerify } from 'jose'

import { renderSite } from './site-page.ts'

const MAX_FORM_BYTES = 1024
const STOP_DEADLINE_MS = 8000 // longer than the demo gives an agent to end

export interface SiteOptions {
  /** The issuer that may sign the token of a visitor, and the edge for which it must be. */
  relay: string
  edge: string
  /** The port that each agent forwards to. */
  agents: readonly { name: string; port: number }[]
}

/** The data that the demo sends to the site whenever it changes. */
export interface AgentsNow {
  online: readonly string[]
  /** The agents that the demo has started itself and can stop. */
  stoppable: readonly string[]
}

/** The site's request to the demo. */
export interface StopAsked {
  stop: string
}

interface Visitor {
  id: string
  name: string
  email: string
}

const options = JSON.parse(process.env.SITE ?? '') as SiteOptions // written by the demo, beside this file
const keys = createRemoteJWKSet(new URL(`${options.relay}/.well-known/jwks.json`)) // fetched when first needed, then kept
const formKey = randomBytes(32)
let now: AgentsNow = { online: [], stoppable: [] }
const onNews = new EventTarget()
process.on('message', (message) => {
  now = message as AgentsNow // from the demo, over a channel that nobody else has
  onNews.dispatchEvent(new Event('news'))
})
// The site ends with the demo, even if the demo is killed.
process.once('disconnect', () => process.exit(0))

const servers = options.agents.map(({ name, port }) =>
  createServer((request, response) => {
    answer(request, response, name).catch(() => refuse(response, 500, 'That did not work.'))
  }).listen(port, '127.0.0.1'),
)
await Promise.all(servers.map((server) => once(server, 'listening')))
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))
console.log(JSON.stringify({ ports: options.agents.map(({ port }) => port) }))

async function answer(request: IncomingMessage, response: ServerResponse, agent: string): Promise<void> {
  // A program that reaches the port without the relay can write any header, but cannot sign.
  const visitor = await visitorOf(request).catch(() => undefined)
  if (!visitor) return refuse(response, 401, 'Come through the relay, and sign in there.')
  if (request.method === 'POST' && request.url === '/stop') return stopAgent(request, response, visitor)
  if (request.url !== '/') return refuse(response, 404, 'There is only one page here.')
  const { headers, body } = renderSite({ visitor, agent, ...now, formToken: formTokenOf(visitor) })
  response.writeHead(200, headers).end(body)
}

/** As in docs/identity-headers.md. @throws if the relay has not signed the visitor's identity */
async function visitorOf(request: IncomingMessage): Promise<Visitor> {
  const { payload } = await jwtVerify<{ name?: string; email?: string }>(
    String(request.headers['sallyport-auth-jwt']),
    keys,
    {
      algorithms: ['ES256'],
      issuer: options.relay,
      audience: options.edge,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: 30,
    },
  )
  return {
    id: String(payload.sub),
    name: payload.name ?? String(payload.sub),
    email: payload.email ?? '',
  }
}

/**
 * Has the demo stop an agent, and answers once the relay sends no visitor there any more: another agent brings the next
 * page.
 */
async function stopAgent(request: IncomingMessage, response: ServerResponse, visitor: Visitor): Promise<void> {
  if (Number(request.headers['content-length'] ?? Infinity) > MAX_FORM_BYTES) return refuse(response, 413, 'Too long.')
  const form = new URLSearchParams(await text(request))
  // Any page can have a browser send this form, with the visitor's cookies. Only our own page knows this visitor's token.
  if (!isSame(form.get('token') ?? '', formTokenOf(visitor))) {
    return refuse(response, 403, 'This form is not from the page here. Load the page again.')
  }
  const agent = form.get('agent') ?? ''
  if (now.stoppable.includes(agent)) {
    process.send?.({ stop: agent } satisfies StopAsked)
    await untilGone(agent)
  }
  response.writeHead(303, { location: '/', 'cache-control': 'no-store' }).end()
}

async function untilGone(agent: string): Promise<void> {
  const deadline = AbortSignal.timeout(STOP_DEADLINE_MS)
  while (now.online.includes(agent) && !deadline.aborted) {
    await new Promise<void>((resolve) => {
      onNews.addEventListener('news', () => resolve(), { once: true })
      deadline.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}

function formTokenOf({ id }: Visitor): string {
  return createHmac('sha256', formKey).update(id).digest('base64url')
}

function isSame(given: string, expected: string): boolean {
  const digest = (value: string): Buffer => createHmac('sha256', formKey).update(value).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

function refuse(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${sentence}\n`)
}
