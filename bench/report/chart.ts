// The chart of docs/performance.svg, drawn by hand: two groups of bars, light or dark as the reader's system is. Pure.

import { COMPETITORS } from '../competitors.ts'
import type { Figures } from './goals.ts'
import { YARDSTICK } from '../testbed.ts'

const PANELS = [
  { title: 'Small requests at 50 connections', suffix: ': requests/s at 50' },
  { title: 'Download', suffix: ': download' },
] as const
const WIDTH = 760
const NAME_WIDTH = 170
const BAR_MAX = 500
const BAR_HEIGHT = 16
const ROW_HEIGHT = 24
const TITLE_HEIGHT = 34

const STYLE = `text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.note { font-size: 12px; fill: #59636e }
.ours { fill: #0a7d5a } .proxy { fill: #9aa4af } .tunnel { fill: #c98a3a }
.yard { stroke: #59636e; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 }
  .ours { fill: #2fbf8f } .proxy { fill: #59636e } .tunnel { fill: #d29922 }
  .yard { stroke: #9198a1 }
}`

export function chart(figures: Figures): string {
  const parts: string[] = []
  let y = 8
  for (const { title, suffix } of PANELS) {
    const yard = figures[YARDSTICK + suffix]
    const bars = Object.keys(figures)
      .filter((key) => key.endsWith(suffix))
      .map((key) => key.slice(0, -suffix.length))
      .filter((name) => name !== 'direct')
      .map((name) => ({ name, value: (figures[name + suffix] ?? 0) / (yard ?? 1) }))
      .toSorted((a, b) => b.value - a.value)
    if (yard === undefined || bars.length === 0) continue
    const scale = BAR_MAX / Math.max(...bars.map(({ value }) => value))
    parts.push(`<text class="title" x="0" y="${y + 16}">${title}, × ${YARDSTICK}</text>`)
    y += TITLE_HEIGHT
    const top = y
    for (const { name, value } of bars) {
      const width = Math.max(1, Math.round(value * scale))
      parts.push(
        `<text x="${NAME_WIDTH - 10}" y="${y + 13}" text-anchor="end">${escape(name)}</text>`,
        `<rect class="${classOf(name)}" x="${NAME_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
        `<text class="note" x="${NAME_WIDTH + width + 6}" y="${y + 13}">${value.toFixed(2)}</text>`,
      )
      y += ROW_HEIGHT
    }
    const at = NAME_WIDTH + Math.round(scale)
    parts.push(`<line class="yard" x1="${at}" x2="${at}" y1="${top - 4}" y2="${y - 4}"/>`)
    y += 10
  }
  const legend = [
    ['ours', 'sallyport'],
    ['proxy', 'reverse proxy, no tunnel'],
    ['tunnel', 'other tunnels'],
  ].map(
    ([kind, label], index) =>
      `<rect class="${kind}" x="${NAME_WIDTH + index * 180}" y="${y}" width="11" height="11" rx="2"/><text class="note" x="${NAME_WIDTH + index * 180 + 17}" y="${y + 10}">${label}</text>`,
  )
  const height = y + 22
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Throughput beside nginx, other reverse proxies and other tunnels">
<style>${STYLE}</style>
${[...parts, ...legend].join('\n')}
</svg>
`
}

function classOf(name: string): string {
  if (name.startsWith('sallyport')) return 'ours'
  const kind = COMPETITORS.find((each) => each.name === name)?.kind
  return kind === undefined || kind === 'reverse proxy' ? 'proxy' : 'tunnel'
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
