// The lines of the agent's view on a terminal, and their ranks. Pure: the clock is passed in.

import type { AgentStatus, TunnelStatus } from '../agent.ts'
import { layOut, wordsOf } from './layout.ts'
import type { Part, Style, Word } from './layout.ts'
import type { SeenRequest } from '../report/seen-request.ts'
import { clockTime, spokenDuration, spokenMs } from './times.ts'

const KEY_WIDTH = 20
/** On a narrow terminal: the longest key and a space. */
const NARROW_KEY_WIDTH = 15
const WIDE_FROM = 60
/** "14:03:11 " */
const TIME_WIDTH = 9
const ADDRESSES_MAX = 10

/** On a low terminal the highest is left out first. */
const RANK = {
  blank: 10,
  request: 9,
  connections: 8,
  latency: 7,
  labels: 6,
  title: 5,
  edge: 3,
  visitors: 2,
  state: 1,
  whole: 0,
} as const

const STATES: Record<AgentStatus['state'], { text: string; style: Style }> = {
  connecting: { text: 'connecting', style: 'yellow' },
  online: { text: 'online', style: 'green' },
  waiting: { text: 'reconnecting', style: 'yellow' },
  closing: { text: 'finishing running connections (press Ctrl+C again to end at once)', style: 'yellow' },
  closed: { text: 'closed', style: 'gray' },
}

const BLANK: Part = { words: [], rank: RANK.blank }

/**
 * The lines of the view.
 * @param now milliseconds since the epoch
 * @param width columns of a line at most
 * @param height lines there may be
 */
export function formatStatus(status: AgentStatus, now: number, width = 79, height = Infinity): string[] {
  const { state, relay, relayVersion, latencyMs, tunnels, connections, requests, messages } = status
  const isOver = state === 'closed'
  const indent = width < WIDE_FROM ? NARROW_KEY_WIDTH : KEY_WIDTH
  const row: Row = (key, [words = [], ...more], rank) => ({ key, words, more, indent, rank })
  const parts = [
    titleOf(isOver),
    BLANK,
    row('Session Status', [wordsOf(stateWords(status, now), STATES[state].style)], RANK.state),
    row(
      'Relay',
      [[{ text: relay }, ...(relayVersion ? [{ text: `(${relayVersion})`, style: 'gray' as const }] : [])]],
      RANK.state,
    ),
    ...(isOver
      ? []
      : [row('Latency', [wordsOf(latencyMs === undefined ? '-' : `${Math.round(latencyMs)} ms`)], RANK.latency)]),
    ...tunnels.flatMap((tunnel) => tunnelParts(tunnel, row)),
    row('Connections', [wordsOf(`${connections.total} served, ${connections.open} open`)], RANK.connections),
    ...(requests ? requestParts(requests, width < WIDE_FROM ? 1 : 2, row) : []),
    ...messages.flatMap(({ level, text, at }, index) => [
      ...(index === 0 ? [BLANK] : []),
      {
        key: clockTime(at),
        keyStyle: 'gray' as const,
        words: wordsOf(text, level === 'warn' ? 'yellow' : undefined),
        indent: TIME_WIDTH,
        rank: RANK.whole,
      },
    ]),
  ]
  return layOut(parts, width, height)
}

/** The last line: a summary of the agent's work. @param ms how long it ran */
export function farewellOf({ connections, requests }: AgentStatus, ms: number): string {
  // Streams of HTTP/2 are carried unread, so only their connections are known.
  const listed = requests && (requests.total > 0 || connections.total === 0)
  const count = listed ? counted(requests.total, 'request') : counted(connections.total, 'connection')
  return `Stopped. ${count} in ${spokenDuration(ms)}.`
}

/** @param lines each starts at the left edge of the terminal */
type Row = (key: string, lines: readonly Word[][], rank: number) => Part

function titleOf(isOver: boolean): Part {
  const hint = isOver ? [] : [{ text: '  (Ctrl+C to quit)', style: 'gray' as const }]
  return { words: [{ text: 'sallyport agent', style: 'bold' }, ...hint], rank: RANK.title }
}

function stateWords({ state, sessions, retryAt }: AgentStatus, now: number): string {
  const wait = retryAt === undefined ? '' : ` in ${Math.max(0, Math.ceil((retryAt - now) / 1000))} s`
  return STATES[state].text + wait + countSessions(state, sessions)
}

/** One connection out of one is not worth a line. */
function countSessions(state: AgentStatus['state'], { wanted, online }: AgentStatus['sessions']): string {
  if (state !== 'online' || wanted === 1) return ''
  return online === wanted ? ` (${wanted} connections)` : ` (${online} of ${wanted} connections)`
}

function tunnelParts(tunnel: TunnelStatus, row: Row): Part[] {
  const { name, labels, forwardsTo, endpoints, edges = [], redirectUri, health } = tunnel
  const [first, ...others] = endpoints.slice(0, ADDRESSES_MAX)
  const left = endpoints.length - ADDRESSES_MAX
  const target = { text: `-> ${forwardsTo}` } // its arrow stays with it
  const forwarding =
    first === undefined || others.length === 0
      ? [[...(first === undefined ? wordsOf('no address yet', 'gray') : [{ text: first }]), target]]
      : [
          ...[first, ...others].map((address) => [{ text: address }]),
          ...(left > 0 ? [wordsOf(`and ${left} more`)] : []),
          [target],
        ]
  return [
    ...(name ? [row('Tunnel', [wordsOf(name)], RANK.labels)] : []),
    row('Forwarding', forwarding, RANK.whole),
    ...visitorParts(tunnel, row),
    ...(edges.length > 0
      ? [
          row(
            'Edge',
            edges.map(({ id }) => [{ text: id }]),
            RANK.edge,
          ),
        ]
      : []),
    ...(labels ? [row('Labels', [wordsOf(labels)], RANK.labels)] : []),
    // On a line of its own, which it fills on a narrow terminal: a copied address has no gap.
    ...(redirectUri
      ? [
          row('Redirect URI', [wordsOf('to register at your identity provider:')], RANK.visitors),
          { words: [{ text: redirectUri }], rank: RANK.whole },
        ]
      : []),
    ...(health
      ? [
          health.healthy
            ? row('Health', [[{ text: 'healthy', style: 'green' }]], RANK.state)
            : row('Health', [wordsOf(`unhealthy: ${health.detail}`, 'yellow')], RANK.whole),
        ]
      : []),
  ]
}

/** If the edges that lead here differ, each line names its edge. */
function visitorParts({ visitors: own, edges = [] }: TunnelStatus, row: Row): Part[] {
  const areAlike = new Set(edges.map(({ visitors }) => visitors.join('\n'))).size <= 1
  const ofEdges = areAlike
    ? (edges[0]?.visitors ?? [])
    : edges.flatMap(({ id, visitors }) => visitors.map((line) => `${line} (${id})`))
  const lines = own === undefined ? ofEdges : [own]
  return lines.length === 0
    ? []
    : [
        row(
          'Visitors',
          lines.map((line) => wordsOf(line)),
          RANK.visitors,
        ),
      ]
}

function requestParts({ total, last }: NonNullable<AgentStatus['requests']>, gap: number, row: Row): Part[] {
  if (total === 0) return [row('Requests', [wordsOf('none yet')], RANK.request)]
  return [
    BLANK,
    { key: `Requests (${total})`, words: [], rank: RANK.request },
    // Of equal rank, so the oldest leaves first.
    ...last.map((request) => ({ words: requestWords(request, gap), isOneLine: true, rank: RANK.request })),
  ]
}

function requestWords({ at, status, ms, method, path }: SeenRequest, gap: number): Word[] {
  const space = ' '.repeat(gap - 1) // and one between words
  return [
    { text: clockTime(at), style: 'gray' },
    { text: space + String(status ?? '-').padEnd(3), style: styleOf(status) },
    { text: space + (ms === undefined ? '' : spokenMs(ms)).padStart(7) },
    { text: space + method.padEnd(4) },
    { text: path },
  ]
}

function styleOf(status: number | undefined): Style {
  if (status === undefined || status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
