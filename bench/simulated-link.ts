// A long or narrow link in front of a port, as a separate process (delay-proxy.ts), and the sites that are measured
// over it: our agent, the competitors, and a plain TCP copy.

import { join } from 'node:path'

import { COMPETITORS, missing } from './competitors.ts'
import type { CompetitorKind } from './competitors.ts'
import type { Running } from './processes.ts'
import type { Testbed } from './testbed.ts'

export interface Link {
  roundTripMs: number
  /** Of each direction. */
  mbit: number
}

/** The chain in front of the stream app, with the link inside. */
export interface LinkedSite {
  name: string
  port: number
  host: string
}

interface LinkedChain {
  readonly name: string
  readonly kind: 'TCP' | 'sallyport' | CompetitorKind
  readonly open: (bed: Testbed, link: Link, running: Running[]) => Promise<LinkedSite>
}

export const PLAIN_TCP = 'TCP over the link, no tunnel'

/** Every chain that can be measured over a link here. */
export function linkedChains(): LinkedChain[] {
  return [
    {
      name: PLAIN_TCP,
      kind: 'TCP',
      async open(bed, link, running) {
        const { streamPort } = await bed.apps()
        return { name: PLAIN_TCP, port: await startLink(bed, link, streamPort, running), host: 'localhost' }
      },
    },
    ours('sallyport', []),
    ours('sallyport, one session', ['--connections', '1']),
    ...COMPETITORS.filter(({ kind, unlinkable }) => kind !== 'reverse proxy' && unlinkable === undefined)
      .filter((competitor) => missing(competitor) === undefined)
      .map((competitor): LinkedChain => ({
        name: competitor.name,
        kind: competitor.kind,
        async open(bed, link, running) {
          const { streamPort: appPort } = await bed.apps()
          const folder = join(bed.folder, `link-${competitor.name.replaceAll(' ', '')}-${performance.now()}`)
          const via = (port: number): Promise<number> => startLink(bed, link, port, running)
          const { port, headers, processes } = await competitor.start({ folder, appPort, via })
          for (const each of processes) running.push(bed.own(each))
          return { name: competitor.name, port, host: headers?.Host ?? 'localhost' }
        },
      })),
  ]
}

/** Puts `chain` behind `link`, measures, and removes everything again. */
export async function overLink<T>(
  bed: Testbed,
  chain: LinkedChain,
  link: Link,
  measure: (site: LinkedSite) => Promise<T>,
): Promise<T> {
  const running: Running[] = []
  try {
    return await measure(await chain.open(bed, link, running))
  } finally {
    for (const each of running.toReversed()) await each.end()
  }
}

export function linkName({ roundTripMs, mbit }: Link): string {
  return `${roundTripMs} ms round trip, ${mbit} Mbit/s`
}

function ours(name: string, flags: readonly string[]): LinkedChain {
  return {
    name,
    kind: 'sallyport',
    async open(bed, link, running) {
      const [{ streamPort }, { relayPort, startAgent }] = [await bed.apps(), await bed.product()]
      const server = `http://127.0.0.1:${await startLink(bed, link, relayPort, running)}`
      running.push(await startAgent('edge=edg_link', streamPort, { flags, server }))
      return { name, port: relayPort, host: `link.localhost:${relayPort}` }
    },
  }
}

async function startLink(bed: Testbed, link: Link, port: number, running: Running[]): Promise<number> {
  const flags = ['--to', String(port), '--rtt', String(link.roundTripMs), '--mbit', String(link.mbit)]
  const proxy = await bed.startProgram('link', 'delay-proxy.ts', flags)
  running.push(proxy)
  return proxy.port
}
