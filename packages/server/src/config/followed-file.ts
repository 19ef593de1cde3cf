// A file of the operator that is read at the start, and again when it changes. A bad new file never replaces a good old one.

import { unwatchFile, watchFile } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'

import type { Logger } from '../log.ts'
import { whyUnreadable } from './why-unreadable.ts'

const POLL_INTERVAL_MS = 5000 // as TLS certificates: they are replaced by renames and symlinks that file events miss

export interface ReadableFile<T> {
  /** An absolute path. */
  readonly file: string
  readonly maxBytes?: number
  /** @throws Error with the rest of a sentence that begins with the path */
  readonly parse: (bytes: Buffer) => T | Promise<T>
}

export interface FollowedFileInit<T> extends ReadableFile<T> {
  /** The words of the log when the file has changed, and further fields. */
  readonly words: { readonly reloaded: string; readonly kept: string }
  readonly fields?: { readonly key: string }
  readonly log: Pick<Logger, 'info' | 'warn'>
}

export class FollowedFile<T> {
  readonly #init: FollowedFileInit<T>
  #value: T
  /** The number of the newest reading, so that an older one that takes longer does not replace it. */
  #newest = 0

  private constructor(init: FollowedFileInit<T>, value: T) {
    this.#init = init
    this.#value = value
    watchFile(init.file, { interval: POLL_INTERVAL_MS, persistent: false }, this.#onChange)
  }

  /** @throws Error with a sentence for the operator */
  static async open<T>(init: FollowedFileInit<T>): Promise<FollowedFile<T>> {
    return new FollowedFile(init, await readParsed(init))
  }

  get file(): string {
    return this.#init.file
  }

  /** The same object as long as the file does not change. */
  get value(): T {
    return this.#value
  }

  /** Reads the file again; keeps the old content if the new one is not usable (yet). */
  async reload(): Promise<void> {
    const { file, fields, words, log } = this.#init
    const number = ++this.#newest
    try {
      const value = await readParsed(this.#init)
      if (number !== this.#newest) return
      this.#value = value
      log.info({ file, ...fields }, words.reloaded)
    } catch (error) {
      if (number === this.#newest) log.warn({ file, ...fields, err: error }, words.kept)
    }
  }

  close(): void {
    this.#newest++
    unwatchFile(this.#init.file, this.#onChange)
  }

  readonly #onChange = (): void => void this.reload()
}

/** @throws Error with a sentence for the operator */
export async function readParsed<T>({ file, maxBytes = Infinity, parse }: ReadableFile<T>): Promise<T> {
  let bytes: Buffer
  try {
    const { size } = await stat(file)
    if (size > maxBytes) throw new TooLarge(`${file} is larger than ${maxBytes / 1024 / 1024} MiB`)
    bytes = await readFile(file)
  } catch (cause) {
    if (cause instanceof TooLarge) throw cause
    throw new Error(whyUnreadable(file, cause), { cause })
  }
  try {
    return await parse(bytes)
  } catch (cause) {
    throw new Error(`${file} ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

class TooLarge extends Error {}
