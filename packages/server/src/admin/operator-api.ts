// The operator's API over the relay's own socket: status, edges, tunnels and agents as JSON, in the shapes of
// operator/resources.ts, and a request to read the configuration again.

import type { IncomingMessage, ServerResponse } from 'node:http'

import { STATUS_CODES } from '@sallyport/protocol/node-http'

import { mergeAgents, mergeEdges, mergeTunnels } from '../operator/merge-answers.ts'
import type { AskProcesses, PageWish } from '../operator/questions.ts'
import { relayStatus } from '../operator/relay-status.ts'
import type { RelayFacts } from '../operator/relay-status.ts'
import type { ReloadReport } from '../operator/reload.ts'
import type { Page, StoredEdgeEverywhere } from '../operator/resources.ts'

const ROWS_DEFAULT = 50
const ROWS_MAX = 200 // in one turn of the event loop, which visitors share

export interface OperatorApiInit {
  ask: AskProcesses
  facts: () => RelayFacts
  /** Reads relay.yml again; absent without a file. */
  reload?: () => Promise<ReloadReport>
}

interface Reply {
  status: number
  body: object
}

/** Answers one request. @throws the error of `ask`; nothing has been written then */
export async function serveOperator(
  request: IncomingMessage,
  response: ServerResponse,
  init: OperatorApiInit,
): Promise<void> {
  const allowed = request.url === '/api/v1/reload' ? 'POST' : 'GET'
  const { status, body } =
    request.method === allowed
      ? await replyTo(request.url ?? '', init)
      : problem(405, `Only ${allowed} is possible here.`)
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': status === 200 ? 'application/json' : 'application/problem+json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    connection: 'close',
    ...(status === 405 && { allow: allowed }),
  })
  response.end(text)
}

/** RFC 9457. */
export function problem(status: number, detail: string): Reply {
  return { status, body: { type: 'about:blank', title: STATUS_CODES[status], status, detail } }
}

async function replyTo(target: string, { ask, facts, reload }: OperatorApiInit): Promise<Reply> {
  const url = URL.parse(target, 'http://relay')
  if (!url) return problem(400, 'That is not a path.')
  const { pathname, searchParams } = url
  if (pathname === '/api/v1/status') {
    const { answers, silent } = await ask({ of: 'status' })
    return { status: 200, body: relayStatus(facts(), answers, silent) }
  }
  if (pathname === '/api/v1/reload') {
    if (!reload) return problem(409, 'This relay runs without a configuration file, so there is nothing to read again.')
    return { status: 200, body: await reload() }
  }
  const [, id] = /^\/api\/v1\/edges\/(edg_[\w-]+)\/in-use$/.exec(pathname) ?? []
  if (id !== undefined) {
    const { answers, silent } = await ask({ of: 'stored edge', id })
    const body: StoredEdgeEverywhere = { processes: answers, ...(silent > 0 && { silent_workers: silent }) }
    return { status: 200, body }
  }
  const wish = readPage(searchParams)
  if (!wish) return problem(400, `limit is a number from 1 to ${ROWS_MAX}.`)
  const { limit } = wish
  switch (pathname) {
    case '/api/v1/edges': {
      const { answers, silent } = await ask({ of: 'edges', ...wish })
      return page(mergeEdges(answers, limit), silent)
    }
    case '/api/v1/tunnels': {
      const edge = searchParams.get('edge')
      const { answers, silent } = await ask({ of: 'tunnels', ...wish, ...(edge !== null && { edge }) })
      return page(mergeTunnels(answers, limit), silent)
    }
    case '/api/v1/agents': {
      const { answers, silent } = await ask({ of: 'agents', ...wish })
      return page(mergeAgents(answers, limit), silent)
    }
    default:
      return problem(404, 'Here are /api/v1/status, /api/v1/edges, /api/v1/tunnels, /api/v1/agents and /api/v1/reload.')
  }
}

function page(merged: Page<unknown>, silent: number): Reply {
  return { status: 200, body: { ...merged, ...(silent > 0 && { silent_workers: silent }) } }
}

function readPage(given: URLSearchParams): PageWish | undefined {
  const written = given.get('limit') ?? String(ROWS_DEFAULT)
  const limit = /^\d{1,3}$/.test(written) ? Number(written) : 0
  return limit >= 1 && limit <= ROWS_MAX ? { after: given.get('after') ?? '', limit } : undefined
}
