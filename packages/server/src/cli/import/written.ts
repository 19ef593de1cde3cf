// A part of a foreign JSON document, with its place. Every value is unchecked. Pure.

import type { ConfigPath } from '@sallyport/protocol/found-problem'
import { formatPath } from '@sallyport/protocol/yaml-file'
import type { YamlFile } from '@sallyport/protocol/yaml-file'

import { child } from '../../values/written-tree.ts'

export class Written {
  readonly value: unknown
  readonly #file: YamlFile
  readonly #path: ConfigPath

  /** The whole document. */
  static of(file: YamlFile): Written {
    return new Written(file, [], file.tree)
  }

  private constructor(file: YamlFile, path: ConfigPath, value: unknown) {
    this.#file = file
    this.#path = path
    this.value = value
  }

  /** For instance `edges.json:7:15 https_edges[0].routes[1].saml`. */
  get place(): string {
    return this.#file.placeAndPath(this.#path)
  }

  get path(): string {
    return formatPath(this.#path)
  }

  get position(): { line: number; column: number } | undefined {
    return this.#file.positionOf(this.#path)
  }

  /** The part below a key; its value is undefined if there is none. */
  at(key: string): Written {
    return new Written(this.#file, [...this.#path, key], child(this.value, key))
  }

  get isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value)
  }

  /** Its entries, if it is a list. */
  get entries(): Written[] {
    if (!Array.isArray(this.value)) return []
    return this.value.map((value: unknown, index) => new Written(this.#file, [...this.#path, index], value))
  }

  /** Its keys, if it is an object. */
  get keys(): string[] {
    return this.isObject ? Object.keys(this.value as object) : [] // as just checked
  }

  /** Its text; undefined for any other value, and for an empty text. */
  get text(): string | undefined {
    return typeof this.value === 'string' && this.value !== '' ? this.value : undefined
  }

  get texts(): string[] {
    return this.entries.flatMap(({ text }) => text ?? [])
  }

  get number(): number | undefined {
    return typeof this.value === 'number' ? this.value : undefined
  }

  /** A part of an edge or a route that is switched on. */
  module(name: string): Written | undefined {
    const part = this.at(name)
    return part.isObject && part.at('enabled').value !== false ? part : undefined
  }
}
