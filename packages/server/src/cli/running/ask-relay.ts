// Asks the relay that runs on the store of a configuration, over its socket. Opens no store and changes nothing.

import { lstatSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { dirname } from 'node:path'

import { request } from '@sallyport/protocol/node-http'

import { SOCKET_PATH_MAX_BYTES } from '../../admin/operator-socket.ts'
import { loadStoreLocation } from '../../config/load-config.ts'
import { operatorSocketOf } from '../../config/store-location.ts'
import type { Page } from '../../operator/resources.ts'
import type { StoreOption } from '../stored/with-store.ts'

const DEADLINE_MS = 15_000 // its workers have two seconds, and the machine may be busy
const ANSWER_MAX_BYTES = 64 * 1024 * 1024
const ROWS_OF_A_PAGE = 200

/** No relay has answered. The message is for the operator. */
export class RelayUnreachable extends Error {
  /** Whether no relay runs on the store; otherwise one may. */
  get isAbsent(): boolean {
    const { code = '' } = (this.cause ?? {}) as NodeJS.ErrnoException // of the connection, if there was one
    return NOBODY.has(code)
  }
}

const NOBODY = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED'])

interface RowsWish {
  query?: Record<string, string>
  count?: number
}

export class RunningRelay {
  readonly #socket: string
  /** The highest number of workers whose own knowledge is missing. */
  silentWorkers = 0

  /** @throws ConfigError if the configuration does not say where the store is; RelayUnreachable */
  static async of({ config: file = process.env.SALLYPORT_CONFIG || undefined }: StoreOption): Promise<RunningRelay> {
    const { path } = await loadStoreLocation({ ...(file !== undefined && { file }), env: process.env })
    if (process.platform === 'win32') {
      throw new RelayUnreachable(
        'A relay cannot be asked on Windows. /metrics of its admin listener shows a part of this.',
      )
    }
    const socket = operatorSocketOf(path)
    if (Buffer.byteLength(socket) > SOCKET_PATH_MAX_BYTES) {
      throw new RelayUnreachable(
        `A relay on this store cannot be asked: the path of its socket, ${socket}, is longer than the ${SOCKET_PATH_MAX_BYTES} bytes that are possible. Keep the store in a folder with a shorter path.`,
      )
    }
    return new RunningRelay(socket)
  }

  /** Use `RunningRelay.of`. */
  private constructor(socket: string) {
    this.#socket = socket
  }

  /** @param path below `/api/v1/` @throws RelayUnreachable */
  get<T>(path: string): Promise<T> {
    return this.#ask('GET', path)
  }

  /** @param path below `/api/v1/` @throws RelayUnreachable */
  post<T>(path: string): Promise<T> {
    return this.#ask('POST', path)
  }

  async #ask<T>(method: string, path: string): Promise<T> {
    const { status, text } = await this.#fetch(method, `/api/v1/${path}`)
    const body = parsed(text)
    if (status === 200) return body as T // both ends are this program; an older relay has fewer fields
    const { detail = 'that is not known to it' } = body as { detail?: string }
    throw new RelayUnreachable(`The relay answered with ${status}: ${detail}`)
  }

  /**
   * The first rows of a list, asked for page by page; all of them without `count`.
   * @param path below `/api/v1/`
   * @throws RelayUnreachable
   */
  async rows<T>(path: string, { query = {}, count = Infinity }: RowsWish = {}): Promise<T[]> {
    const rows: T[] = []
    let after: string | undefined
    do {
      const limit = String(Math.min(count - rows.length, ROWS_OF_A_PAGE))
      const asked = new URLSearchParams({ ...query, limit, ...(after !== undefined && { after }) })
      const { items, next, silent_workers = 0 } = await this.get<Page<T>>(`${path}?${asked.toString()}`)
      this.silentWorkers = Math.max(this.silentWorkers, silent_workers)
      rows.push(...items)
      after = next
    } while (after !== undefined && rows.length < count)
    return rows
  }

  async #fetch(method: string, path: string): Promise<{ status: number | undefined; text: string }> {
    try {
      const signal = AbortSignal.timeout(DEADLINE_MS)
      const asked = request({ socketPath: this.#socket, method, path, agent: false, signal })
      asked.end()
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        asked.once('response', resolve)
        asked.on('error', reject)
      })
      const chunks: Buffer[] = []
      let length = 0
      for await (const chunk of response as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        if ((length += chunk.length) > ANSWER_MAX_BYTES) throw new Error('its answer has no end')
      }
      return { status: response.statusCode, text: Buffer.concat(chunks).toString() }
    } catch (error) {
      throw new RelayUnreachable(this.#whyNot(error as NodeJS.ErrnoException), { cause: error }) // node:http rejects with errors
    }
  }

  #whyNot({ code, name, message }: NodeJS.ErrnoException): string {
    switch (code ?? '') {
      case 'ENOENT':
      case 'ENOTDIR':
        return `No relay runs on this store, or it is still starting: there is no ${this.#socket}. ${WHICH}`
      case 'ECONNREFUSED':
        return `No relay runs on this store: the one that made ${this.#socket} has ended. ${WHICH}`
      case 'EACCES':
      case 'EPERM': {
        const owner = ownerOf(this.#socket)
        const how =
          owner === undefined
            ? 'the user of the relay, or as root'
            : owner === 'root'
              ? 'root: sudo relay …'
              : `its user, ${owner}, or as root: sudo -u ${owner} relay …`
        return `This user may not ask the relay at ${this.#socket}. Run the command as ${how}`
      }
      default:
        if (name === 'AbortError' || name === 'TimeoutError') {
          return `The relay at ${this.#socket} has not answered for ${DEADLINE_MS / 1000} s. It hangs, or the machine is very busy.`
        }
        return `The relay at ${this.#socket} did not answer: ${message}`
    }
  }
}

const WHICH = 'If it has a configuration, name that with --config or SALLYPORT_CONFIG.'

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return {} // the status says enough
  }
}

/** The name of the user who owns the socket, or its folder if that is closed; the number without a name. */
function ownerOf(socket: string): string | undefined {
  try {
    const uid = uidOf(socket)
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.split(':')[2] === String(uid))
    return line?.split(':')[0] ?? `#${uid}` // sudo's form for numbers
  } catch {
    return undefined // not readable
  }
}

function uidOf(socket: string): number {
  try {
    return lstatSync(socket).uid
  } catch {
    return statSync(dirname(socket)).uid
  }
}
