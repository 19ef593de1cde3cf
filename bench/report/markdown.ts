// Numbers and tables as Markdown. Pure.

import type { Table } from '../scenario.ts'

export function markdownOf({ caption, head, rows }: Table): string {
  const widths = head.map((title, column) => Math.max(3, title.length, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = line(widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)))
  return `${caption === undefined ? '' : `${caption}\n\n`}${[line(head), rule, ...rows.map(line)].join('\n')}`
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** A number, or a dash without one. */
export function fixed(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits)
}
