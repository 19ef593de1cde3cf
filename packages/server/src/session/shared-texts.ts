// Texts that very many sessions have in common, such as the name of a group: memory holds each once.

import type { SessionRow } from './session-row.ts'

const MAX_SHARED = 10_000

export class SharedTexts {
  readonly #shared = new Map<string, string>()

  /** Returns the same object for equal texts. */
  once<T extends string | undefined>(text: T): T {
    if (text === undefined) return text
    const known = this.#shared.get(text)
    if (known !== undefined) return known as T // the same text
    if (this.#shared.size >= MAX_SHARED) this.#shared.clear()
    this.#shared.set(text, text)
    return text
  }
}

/** The row, sharing every text that other rows have as well. */
export function slimRow(row: SessionRow, texts: SharedTexts): SessionRow {
  const groups = Object.entries(row.groups).map(
    ([claim, list]) => [texts.once(claim), list.map((group) => texts.once(group))] as const,
  )
  return {
    ...row,
    edge: texts.once(row.edge),
    auth_id: texts.once(row.auth_id),
    issuer: texts.once(row.issuer),
    client_id: texts.once(row.client_id),
    groups: Object.fromEntries(groups),
    ...(row.device !== undefined && { device: texts.once(row.device) }),
  }
}
