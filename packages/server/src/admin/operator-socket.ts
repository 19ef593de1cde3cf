// The operator's door: HTTP over a Unix socket beside the store, for the commands of this machine. Only users who may
// open the file (0600: the relay's user and root) can ask. A relay without it still serves.
//
//   free, or left behind by a relay that crashed ──▶ ours ──close()──▶ gone
//   another relay on the store answers there ──▶ left to that one, until it is gone

import { lstatSync, unlinkSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect } from 'node:net'

import { createServer } from '@sallyport/protocol/node-http'

import type { Logger } from '../log.ts'
import { problem, serveOperator } from './operator-api.ts'
import type { OperatorApiInit } from './operator-api.ts'

const CONNECTIONS_MAX = 16
const HEAD_MAX_BYTES = 8 * 1024
/** For a whole request, and for a client that does not read its answer. */
const DEADLINE_MS = 10_000
const LOOK_DEADLINE_MS = 1000 // on the same machine it is known at once whether a process accepts
const OTHERS_MASK = 0o177 // leaves 0600
const RETRY_MS = 5000 // of a relay that waits for another one's place

export interface OperatorSocketInit extends OperatorApiInit {
  /** The path of the socket. */
  path: string
  log: Logger
  /** A test shortens these. */
  retryMs?: number
}

/** How long the path of a Unix socket may be, in bytes: `sun_path` of the system, without its last zero. */
export const SOCKET_PATH_MAX_BYTES = process.platform === 'linux' ? 107 : 103

export class OperatorSocket {
  readonly #init: OperatorSocketInit
  readonly #server: Server
  #claiming: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #isClosed = false

  /** Listens, or says in the log why it does not. Never rejects. */
  static async open(init: OperatorSocketInit): Promise<OperatorSocket> {
    const socket = new OperatorSocket(init)
    await socket.#begin()
    return socket
  }

  /** Use `OperatorSocket.open`. */
  private constructor(init: OperatorSocketInit) {
    this.#init = init
    this.#server = createServer(
      {
        maxHeaderSize: HEAD_MAX_BYTES,
        headersTimeout: DEADLINE_MS,
        requestTimeout: DEADLINE_MS,
        connectionsCheckingInterval: DEADLINE_MS / 2,
      },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = CONNECTIONS_MAX
    this.#server.timeout = DEADLINE_MS
  }

  /** Removes the file. Requests under way are cut off. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    await this.#claiming?.catch(() => {}) // the claim reports it
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #begin(): Promise<void> {
    if (process.platform === 'win32') return // a named pipe has no mode: others could open it
    const bytes = Buffer.byteLength(this.#init.path)
    if (bytes <= SOCKET_PATH_MAX_BYTES) return this.#try()
    this.#tell(
      `the path has ${bytes} bytes, and a socket's may have ${SOCKET_PATH_MAX_BYTES}; keep the store in a folder with a shorter path`,
    )
  }

  async #try(isNews = true): Promise<void> {
    try {
      await (this.#claiming = this.#claim())
      if (!isNews) this.#init.log.info({ path: this.#init.path }, 'relay status shows this relay now')
    } catch (error) {
      const isTaken = error instanceof SocketTaken
      if (isNews || !isTaken) this.#tell(whyNot(error))
      if (!isTaken || this.#isClosed) return
      this.#retry = setTimeout(() => void this.#try(false), this.#init.retryMs ?? RETRY_MS).unref()
    }
  }

  #tell(reason: string): void {
    this.#init.log.warn({ path: this.#init.path, reason }, 'relay status will not show this relay')
  }

  async #claim(): Promise<void> {
    const { path } = this.#init
    if (await this.#listen()) return
    const found = identityOf(path)
    if (await isAnswered(path)) throw new SocketTaken()
    // Only the file that was checked: another relay may have started meanwhile. Both calls are in one turn.
    if (found !== undefined && identityOf(path) === found) unlinkSync(path)
    if (await this.#listen()) return
    throw identityOf(path) === undefined ? new PathTaken() : new SocketTaken()
  }

  /** @returns false if the path is taken already @throws another error of the system */
  async #listen(): Promise<boolean> {
    const { path, log } = this.#init
    return new Promise<boolean>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void =>
        error.code === 'EADDRINUSE' ? resolve(false) : reject(error)
      this.#server.once('error', onError)
      // listen() makes the file: it belongs to this user from its first moment.
      const mask = process.umask(OTHERS_MASK)
      try {
        this.#server.listen({ path }, () => {
          this.#server.off('error', onError)
          this.#server.on('error', (error) => log.error({ err: error }, "the operator's socket failed"))
          resolve(true)
        })
      } finally {
        process.umask(mask)
      }
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume() // no request has a body
    try {
      await serveOperator(request, response, this.#init)
    } catch (error) {
      this.#init.log.error({ err: error }, 'a question of the operator failed')
      if (response.headersSent) return void response.destroy()
      const { status, body } = problem(500, 'The reason is in the log of the relay.')
      response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' })
      response.end(`${JSON.stringify(body)}\n`)
    }
  }
}

/** Another relay answers at the socket. */
class SocketTaken extends Error {}

/** The file at the path is not a socket. */
class PathTaken extends Error {}

function whyNot(error: unknown): string {
  if (error instanceof SocketTaken) {
    return 'another relay runs on this store and answers there; once that one has stopped, this one will'
  }
  if (error instanceof PathTaken) return 'something else is at this path; move it away and restart the relay'
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not make a file in that folder; change its owner'
  return `it cannot be made (${code ?? String(error)})`
}

/** The identity of the file; undefined if it does not exist, or is not a socket and so must not be removed. */
function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return found?.isSocket() ? `${found.dev}:${found.ino}:${found.ctimeNs}` : undefined
}

/** Whether a process accepts connections there. A process that is too busy to answer in time counts as well. */
async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    return await new Promise<boolean>((resolve) => {
      socket.setTimeout(LOOK_DEADLINE_MS, () => resolve(true))
      socket.once('connect', () => resolve(true))
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'))
    })
  } finally {
    socket.destroy()
  }
}
