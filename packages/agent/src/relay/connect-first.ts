// Connects to the address of a name that answers first (RFC 8305, "Happy Eyeballs"). Node itself gives an address up
// after 250 ms and never comes back to it: if a round trip takes longer, it leaves a working address for one that does
// not work.

import { lookup as lookupBySystem } from 'node:dns'
import type { LookupAddress } from 'node:dns'
import { connect, isIP } from 'node:net'
import type { LookupFunction, Socket } from 'node:net'

/** RFC 8305 5: the recommended delay between two attempts; no attempt is given up for the next. */
const ATTEMPT_DELAY_MS = 250

export interface ConnectFirstOptions {
  host: string
  port: number
  /** Instead of the system's resolver. */
  lookup?: LookupFunction | undefined
  /** Ends every attempt. */
  signal: AbortSignal
  /** A test replaces these. */
  dial?: (address: LookupAddress, port: number) => Socket
}

/** Calls back once: with a connected socket, or with the error of the first address if all have failed. */
export function connectFirst(
  options: ConnectFirstOptions,
  callback: (error: Error | null, socket?: Socket) => void,
): void {
  const { host, port, lookup = lookupBySystem as LookupFunction, signal } = options // net uses dns.lookup by default
  const family = isIP(host)
  if (family !== 0) return race([{ address: host, family }], options, callback)
  lookup(host, { all: true }, (error, found) => {
    if (error) return callback(error)
    if (signal.aborted) return callback(new Error('given up'))
    const addresses = Array.isArray(found) ? found : [{ address: found, family: isIP(found) }]
    race(inTurns(addresses), { ...options, port }, callback)
  })
}

function race(
  addresses: readonly LookupAddress[],
  { port, signal, dial = dialOne }: ConnectFirstOptions,
  callback: (error: Error | null, socket?: Socket) => void,
): void {
  const waiting = [...addresses]
  const trying = new Set<Socket>()
  let firstError: Error | undefined
  let timer: NodeJS.Timeout | undefined

  function finish(error: Error | null, winner?: Socket): void {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    for (const socket of trying) if (socket !== winner) socket.destroy()
    trying.clear()
    callback(error, winner)
  }
  function onAbort(): void {
    finish(new Error('given up'))
  }
  function next(): void {
    clearTimeout(timer)
    const address = waiting.shift()
    if (!address) return
    const socket = dial(address, port)
    trying.add(socket)
    socket.on('error', (error) => {
      if (!trying.delete(socket)) return // the race has ended
      firstError ??= error
      if (waiting.length > 0) next()
      else if (trying.size === 0) finish(firstError)
    })
    socket.once('connect', () => {
      if (trying.has(socket)) finish(null, socket)
    })
    if (waiting.length > 0) timer = setTimeout(next, ATTEMPT_DELAY_MS)
  }

  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  else next()
}

/** RFC 8305 4: the families take turns, and the resolver's first address stays the first. */
function inTurns(addresses: readonly LookupAddress[]): LookupAddress[] {
  const [first] = addresses
  const same = addresses.filter(({ family }) => family === first?.family)
  const other = addresses.filter(({ family }) => family !== first?.family)
  return addresses
    .map((_, index) => [same[index], other[index]])
    .flatMap((both) => both.filter((one) => one !== undefined))
}

function dialOne({ address, family }: LookupAddress, port: number): Socket {
  return connect({ host: address, family, port, noDelay: true })
}
