// Holds bodies while an action reads them, before the request continues. It bounds the size of one body, of all bodies
// of a tenant, and of all bodies: visitors without credentials must not fill the memory of the process.

import { RelayError } from '../../errors.ts'
import type { Exchange } from '../exchange.ts'
import { HeldRequest } from './held-request.ts'
import { readBody, type BodyFault } from './read-body.ts'

const ALL_MAX_BYTES = 128 * 1024 * 1024
const TENANT_MAX_BYTES = 32 * 1024 * 1024 // at least the maximum size of one body

export interface BodyRoomInit {
  /** Of one body: `limits.held_body_bytes`. */
  readonly maxBytes: number
  /** The longest pause between two parts of a body: `timeouts.request_stall_seconds`. */
  readonly silenceMs: number
}

export class BodyRoom {
  readonly #init: BodyRoomInit
  readonly #byTenant = new Map<string, number>()
  #bytes = 0

  constructor(init: BodyRoomInit) {
    this.#init = init
  }

  /**
   * Reads the body of an exchange, which continues with it unchanged; a second call gets the same bytes. They are held
   * until the exchange has ended.
   * @param tenant the tenant whose share the body counts for
   * @throws RelayError `body_too_large`, `request_timeout`, `relay_full`, or `bad_request` for a visitor who has left
   */
  async read(exchange: Exchange, tenant: string): Promise<Buffer> {
    const { request, response } = exchange
    if (request instanceof HeldRequest) return request.body
    if (exchange.bodyLoss) throw exchange.bodyLoss
    const { maxBytes, silenceMs } = this.#init
    let held = 0
    const giveBack = (): void => {
      this.#add(tenant, -held)
      held = 0
    }
    const verdict = await readBody(exchange, {
      maxBytes,
      patience: { silenceMs },
      hasRoomFor: (bytes) => {
        if (!this.#hasRoomFor(tenant, bytes)) return false
        this.#add(tenant, bytes)
        held += bytes
        return true
      },
    })
    if (!verdict.ok) {
      giveBack()
      const error = faultError(verdict.reason, maxBytes)
      if (!verdict.isUnread) exchange.bodyLoss = error
      throw error
    }
    if (held > 0) {
      if (response.destroyed) giveBack()
      else response.on('close', giveBack)
    }
    if (exchange.announcesBody) exchange.replaceRequest(new HeldRequest(request, verdict.body))
    return verdict.body
  }

  /** Keeps room for further bytes, until the exchange has ended. @returns false if there is none */
  hold({ response }: Exchange, tenant: string, bytes: number): boolean {
    if (response.destroyed || !this.#hasRoomFor(tenant, bytes)) return false
    this.#add(tenant, bytes)
    response.on('close', () => this.#add(tenant, -bytes))
    return true
  }

  #hasRoomFor(tenant: string, bytes: number): boolean {
    if (this.#bytes + bytes > ALL_MAX_BYTES) return false
    return (this.#byTenant.get(tenant) ?? 0) + bytes <= Math.max(TENANT_MAX_BYTES, this.#init.maxBytes)
  }

  #add(tenant: string, bytes: number): void {
    this.#bytes += bytes
    const all = (this.#byTenant.get(tenant) ?? 0) + bytes
    if (all > 0) this.#byTenant.set(tenant, all)
    else this.#byTenant.delete(tenant)
  }
}

function faultError(reason: BodyFault, maxBytes: number): RelayError {
  switch (reason) {
    case 'too_large':
      return new RelayError('body_too_large', {
        limit: 'held_body_bytes',
        detail: `the body has more than ${maxBytes} bytes`,
      })
    case 'too_slow':
      return new RelayError('request_timeout', { detail: 'the body stopped arriving' })
    case 'no_room':
      return new RelayError('relay_full', { detail: 'too many bodies are being read' })
    case 'gone':
      return new RelayError('bad_request', { detail: 'the visitor left before the body was whole' })
  }
}
