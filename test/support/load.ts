// Visitors who keep asking, each on a connection of its own that it keeps alive, until they are told to stop.
// Every request has a unique id in its path, by which an app can distinguish them.

import { Agent, request as httpRequest } from 'node:http'

import { lookupLocalhost } from './browser/browser.ts'

import { within } from './until.ts'

export interface LoadOptions {
  /** Origin of the edge. */
  origin: string
  visitors: number
  /** Further headers, e.g. a cookie. */
  headers?: Record<string, string>
}

export interface Asked {
  id: number
  method: 'GET' | 'POST'
  path: string
  /** 0 if the connection ended before an answer. */
  status: number
  body: string
}

export class Load {
  readonly asked: Asked[] = []
  readonly #options: LoadOptions
  readonly #agent: Agent
  readonly #visitors: Promise<void>[]
  readonly #waiting = new Set<() => void>()
  #isStopping = false
  #nextId = 0

  constructor(options: LoadOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.visitors })
    this.#visitors = Array.from({ length: options.visitors }, () => this.#visit())
  }

  /** Resolves when `count` more requests have been answered or have failed. */
  async more(count: number): Promise<void> {
    const wanted = this.asked.length + count
    while (this.asked.length < wanted) {
      await within('one more answer or failure', new Promise<void>((resolve) => this.#waiting.add(resolve)))
    }
  }

  /** No new requests; resolves with all of them when the last has ended. */
  async stop(): Promise<Asked[]> {
    this.#isStopping = true
    await Promise.all(this.#visitors)
    this.#agent.destroy()
    return this.asked
  }

  async #visit(): Promise<void> {
    while (!this.#isStopping) {
      const id = this.#nextId++
      const method = id % 2 === 0 ? 'GET' : 'POST'
      const path = `/load/${id}`
      const answer = await this.#ask(method, path)
      this.asked.push({ id, method, path, ...answer })
      for (const resolve of this.#waiting) resolve()
      this.#waiting.clear()
    }
  }

  #ask(method: 'GET' | 'POST', path: string): Promise<{ status: number; body: string }> {
    const { promise, resolve } = Promise.withResolvers<{ status: number; body: string }>()
    const request = httpRequest(new URL(path, this.#options.origin), {
      method,
      agent: this.#agent,
      lookup: lookupLocalhost,
      headers: { ...this.#options.headers, ...(method === 'POST' && { 'content-length': '4' }) },
    })
    request.once('error', () => resolve({ status: 0, body: '' }))
    request.once('response', (response) => {
      let body = ''
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => (body += chunk))
      response.once('error', () => resolve({ status: 0, body }))
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.end(method === 'POST' ? 'body' : undefined)
    return promise
  }
}
