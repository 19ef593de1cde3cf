// Reads SQLite's rows, whose types TypeScript cannot know. Pure.

import type { Row } from '../engine.ts'

/** @throws TypeError if the row is not one of the table `entry` */
export function rowOf(row: Record<string, unknown>): Row {
  const json = row['json']
  return {
    bucket: textIn(row, 'bucket'),
    key: textIn(row, 'key'),
    json: typeof json === 'string' ? json : null,
    revision: numberIn(row, 'revision'),
  }
}

/** @throws TypeError if the column holds no text */
export function textIn(row: Record<string, unknown>, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} holds no text`)
  return value
}

/** @throws TypeError without a row, or if the column holds no number */
export function numberIn(row: Record<string, unknown> | undefined, column: string): number {
  const value = row?.[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} holds no number`)
  return value
}
