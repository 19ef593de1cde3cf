// Translates policies for earlier versions of ngrok (section 7 of the reference) to the current form: older names of
// phases, actions and keys. Works on values whose form nobody has checked yet, and copies only the parts that it changes.
// Older names in expressions are read where those are compiled. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'

import { changed, child } from '../../values/written-tree.ts'
import { OLDER_PHASES, currentType, kindOf } from '../../policy/kind.ts'
import type { Kind, KindTable } from '../../policy/kind.ts'

/** A policy in the current form. */
export interface CurrentForm {
  readonly policy: unknown
  /** The older forms, each with its current form. Paths are as they were written. */
  readonly older: readonly FoundProblem[]
  /** Parts that cannot be read, because they have both the older and the current name. Paths as above. */
  readonly problems: readonly FoundProblem[]
  /** Translates a path in the current form to the path as it was written. */
  readonly writtenAt: (path: ConfigPath) => ConfigPath
}

export function inCurrentForm(written: unknown, kinds: KindTable): CurrentForm {
  const reading = new Reading(kinds)
  const policy = reading.policy(written)
  const { older, problems } = reading
  return { policy, older, problems, writtenAt: (path) => reading.writtenAt(path) }
}

type Block = Readonly<Record<string, unknown>>

class Reading {
  readonly older: FoundProblem[] = []
  readonly problems: FoundProblem[] = []
  readonly #kinds: KindTable
  /** The older key, by the path of the current one. */
  readonly #keys = new Map<string, string>()

  constructor(kinds: KindTable) {
    this.#kinds = kinds
  }

  policy(written: unknown): unknown {
    if (!isBlock(written)) return written
    const enabled = child(written, 'enabled')
    if (enabled === false) {
      this.#note(['enabled'], 'is an older form; false means no policy, so remove the policy')
      return {}
    }
    if (enabled === true) this.#note(['enabled'], 'is an older form; remove it, as every policy is enabled')
    const current = this.#withCurrentKeys(enabled === true ? without(written, 'enabled') : written, OLDER_PHASES, [])
    return changed(current, (rules, phase) => this.#rules(rules, [phase]))
  }

  writtenAt(path: ConfigPath): ConfigPath {
    if (this.#keys.size === 0) return path
    return path.map((step, index) => this.#keys.get(placeKey(path.slice(0, index + 1))) ?? step)
  }

  #rules(rules: unknown, path: ConfigPath): unknown {
    return changed(rules, (rule, index) =>
      changed(rule, (actions, key) =>
        key === 'actions' ? this.#actions(actions, [...path, index, key], true) : actions,
      ),
    )
  }

  /** @param isOuter whether actions may be inside these */
  #actions(actions: unknown, path: ConfigPath, isOuter: boolean): unknown {
    return changed(actions, (action, index) => this.#action(action, [...path, index], isOuter))
  }

  #action(written: unknown, path: ConfigPath, isOuter: boolean): unknown {
    if (!isBlock(written)) return written
    const older = child(written, 'type')
    const type = typeof older === 'string' ? currentType(this.#kinds, older) : undefined
    if (type === undefined) return written
    if (type !== older) {
      this.#note([...path, 'type'], `${String(older)} is the older name of ${type}; write that`)
    }
    const kind = kindOf(this.#kinds, type)
    return changed(type === older ? written : { ...written, type }, (config, key) => {
      if (key !== 'config') return config
      const current = isBlock(config) ? this.#config(config, kind, [...path, key]) : config
      return isOuter ? this.#inside(current, [...path, key]) : current
    })
  }

  #config(written: Block, kind: Kind | undefined, path: ConfigPath): Block {
    let config = this.#withCurrentKeys(written, kind?.olderKeys ?? {}, path)
    for (const { key, current, message } of kind?.olderWords?.(config) ?? []) {
      config = { ...config, [key]: current }
      this.#note([...path, key], message)
    }
    return config
  }

  #inside(config: unknown, path: ConfigPath): unknown {
    return changed(config, (actions, key) =>
      key === 'actions' ? this.#actions(actions, [...path, key], false) : actions,
    )
  }

  /** The block with current keys in the places of older ones. */
  #withCurrentKeys(block: Block, olderKeys: Readonly<Record<string, string>>, path: ConfigPath): Block {
    const older = Object.keys(olderKeys).filter((key) => Object.hasOwn(block, key))
    if (older.length === 0) return block
    const renamed = new Map<string, string>()
    for (const key of older) {
      const current = olderKeys[key]! // a key of it
      if (Object.hasOwn(block, current)) {
        const message = `is the older name of ${current}, which is there, too; keep only ${current}`
        this.problems.push({ path: this.writtenAt([...path, key]), message })
        continue
      }
      renamed.set(key, current)
      this.#keys.set(placeKey([...path, current]), key)
      this.#note([...path, key], `is the older name of ${current}; write that`)
    }
    const entries = Object.entries(block).filter(([key]) => renamed.has(key) || !older.includes(key))
    return Object.fromEntries(entries.map(([key, value]) => [renamed.get(key) ?? key, value]))
  }

  #note(path: ConfigPath, message: string): void {
    this.older.push({ path: this.writtenAt(path), message })
  }
}

function without(block: Block, key: string): Block {
  return Object.fromEntries(Object.entries(block).filter(([each]) => each !== key))
}

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function placeKey(path: ConfigPath): string {
  return JSON.stringify(path)
}
