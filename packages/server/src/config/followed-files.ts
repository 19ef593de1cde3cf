// The files of one kind that edges name. Each is followed from the moment when a configuration first names it.

import { ConfigError, type ConfigProblem } from '../errors.ts'
import { FollowedFile } from './followed-file.ts'
import type { FollowedFileInit } from './followed-file.ts'

export interface NamedFile {
  /** An absolute path. */
  readonly file: string
  /** Where it is named, for problems. */
  readonly path: string
}

export class FollowedFiles<T> {
  readonly #init: Omit<FollowedFileInit<T>, 'file'>
  readonly #byFile = new Map<string, FollowedFile<T>>()

  constructor(init: Omit<FollowedFileInit<T>, 'file'>) {
    this.#init = init
  }

  /**
   * Reads the files that are not known yet.
   * @throws ConfigError that names every unusable file, wherever it is named; nothing has changed then
   */
  async readMore(named: Iterable<NamedFile>): Promise<void> {
    const unknown = Map.groupBy(named, ({ file }) => file)
    for (const file of this.#byFile.keys()) unknown.delete(file)
    const opened: FollowedFile<T>[] = []
    const problems: ConfigProblem[] = []
    for (const [file, places] of unknown) {
      try {
        opened.push(await FollowedFile.open({ ...this.#init, file }))
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        problems.push(...places.map(({ path }) => ({ path, message })))
      }
    }
    if (problems.length === 0) for (const one of opened) this.#byFile.set(one.file, one)
    else {
      for (const one of opened) one.close()
      throw new ConfigError(problems)
    }
  }

  get(file: string): FollowedFile<T> | undefined {
    return this.#byFile.get(file)
  }

  close(): void {
    for (const one of this.#byFile.values()) one.close()
  }
}
