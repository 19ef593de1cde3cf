// A backend of ngrok's API becomes the backend of a route. Pure.

import { isBackend } from './account.ts'
import type { Account } from './account.ts'
import type { Notes } from './notes.ts'
import { literally } from './literally.ts'
import type { Written } from './written.ts'

type Backend = Record<string, unknown>

/** For a backend that cannot be imported: it serves nobody, and does not blame visitors. */
const CLOSED = { fixed_response: { status: 503, body: 'Not available yet.' } }
/** The kinds that may be at each level of a backend of ours, besides labels and fixed responses. */
const LEVELS: readonly (readonly string[])[] = [['weighted', 'failover'], ['weighted'], []]

/**
 * @param near the route, for comments
 * @returns undefined for the backend that an edge has by itself: the tunnels with its label
 */
export function importBackend(
  module: Written | undefined,
  account: Account,
  notes: Notes,
  near: object,
): Backend | undefined {
  const named = module?.at('backend')
  if (!named?.isObject) return undefined
  const id = named.at('id').text ?? 'without an id'
  const backend = isBackend(named) ? named : account.backends.get(id)
  if (backend) return new Conversion(account, notes, near).convert(backend, 0) ?? { ...CLOSED }
  const message = `the backend ${id} is not in these files, so agents need the label edge=<id of the edge>; add the answer of ngrok’s API that lists it`
  notes.leaveOut(named, message, near)
  return undefined
}

class Conversion {
  readonly #account: Account
  readonly #notes: Notes
  readonly #near: object

  constructor(account: Account, notes: Notes, near: object) {
    this.#account = account
    this.#notes = notes
    this.#near = near
  }

  /** @returns undefined if a part of it is not possible; a note says which */
  convert(backend: Written, level: number): Backend | undefined {
    if (backend.at('status_code').value !== undefined) return fixedResponse(backend)
    if (backend.at('labels').isObject) return { labels: labelsOf(backend.at('labels')) }
    if (backend.at('address').text !== undefined) return this.#address(backend)
    return this.#several(backend, level)
  }

  #address(backend: Written): Backend {
    const label = backend.at('id').text ?? 'static'
    const message = `the relay dials no address by itself; beside the app run: agent tunnel --label backend=${label} ${backend.at('address').text}`
    this.#notes.leaveOut(backend, message, this.#near)
    return { labels: { backend: label } }
  }

  #several(backend: Written, level: number): Backend | undefined {
    const parts = backend.at('backends')
    const kind = Array.isArray(parts.value) ? 'failover' : 'weighted'
    if (!LEVELS[level]?.includes(kind))
      return this.#refuse(backend, `a ${kind} backend cannot be inside of another one here`)
    const ids = kind === 'failover' ? parts.texts : parts.keys
    const inner: Backend[] = []
    for (const id of ids) {
      const part = this.#account.backends.get(id)
      if (!part)
        return this.#refuse(backend, `${id} is not in these files; add the answer of ngrok’s API that lists it`)
      const converted = this.convert(part, kind === 'failover' ? 1 : 2)
      if (!converted) return undefined
      inner.push(converted)
    }
    const [only] = inner
    if (!only) return this.#refuse(backend, 'it has no backends')
    if (kind === 'weighted' && inner.length > 1) {
      return { weighted: ids.map((id, index) => ({ backend: inner[index], weight: parts.at(id).number ?? 0 })) }
    }
    // A fixed response always answers, so backends after it are never reached.
    const end = inner.findIndex((each) => 'fixed_response' in each)
    const reached = end === -1 ? inner : inner.slice(0, end + 1)
    return reached.length === 1 ? only : { failover: reached }
  }

  #refuse(backend: Written, message: string): undefined {
    this.#notes.leaveOut(backend, message, this.#near, true)
  }
}

function labelsOf(labels: Written): Backend {
  return Object.fromEntries(labels.keys.map((key) => [key, literally(labels.at(key).text ?? '')]))
}

function fixedResponse(backend: Written): Backend {
  const headers = backend.at('headers')
  const lines = headers.keys.map((name) => [name, literally(headers.at(name).text ?? '')])
  const body = backend.at('body').text
  return {
    fixed_response: {
      status: backend.at('status_code').number ?? 0,
      ...(lines.length > 0 && { headers: Object.fromEntries(lines) }),
      ...(body !== undefined && { body: literally(body) }),
    },
  }
}
