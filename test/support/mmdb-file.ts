// Writes databases of addresses for tests, after the MaxMind DB File Format Specification 2.0: a search tree over the bits of
// addresses, a data section, metadata.

import { isIPv4 } from 'node:net'

export type MmdbValue = string | number | boolean | readonly MmdbValue[] | { readonly [key: string]: MmdbValue }

export interface MmdbInit {
  /** By range, such as `192.0.2.0/24` or `2001:db8::/32`; a later one overrides an earlier one. */
  readonly networks: Readonly<Record<string, MmdbValue>>
  /** By default `GeoLite2-City`. */
  readonly type?: string
  /** By default IPv6, with IPv4 addresses as its first 2³² ones. */
  readonly ipVersion?: 4 | 6
  readonly recordSize?: 24 | 28 | 32
}

interface Node {
  readonly children: [Node | number | undefined, Node | number | undefined]
}

/** A number is the place of data in its section. */
const newNode = (): Node => ({ children: [undefined, undefined] })

export function mmdbFile({ networks, type = 'GeoLite2-City', ipVersion = 6, recordSize = 24 }: MmdbInit): Buffer {
  const root = newNode()
  const chunks: Buffer[] = []
  let size = 0
  for (const [range, value] of Object.entries(networks)) {
    const data = encode(value)
    insert(root, bitsOf(range, ipVersion), size)
    chunks.push(data)
    size += data.length
  }
  const nodes = numbered(root)
  const records = [...nodes.keys()].map(({ children }) =>
    encodeNode(children.map((child) => recordOf(child, nodes)) as [number, number], recordSize),
  )
  const metadata = {
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_780_000_000,
    database_type: type,
    description: { en: 'A test' },
    ip_version: ipVersion,
    languages: ['en'],
    node_count: nodes.size,
    record_size: recordSize,
  }
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
  return Buffer.concat([...records, Buffer.alloc(16), ...chunks, marker, encode(metadata)])
}

/** The bits of a range, in a tree of the version. */
function bitsOf(range: string, ipVersion: 4 | 6): number[] {
  const [address = '', written = ''] = range.split('/')
  const isShort = isIPv4(address)
  const bits = isShort ? address.split('.').flatMap((part) => bitsOfNumber(Number(part), 8)) : bitsOfIpv6(address)
  const prefix = Number(written)
  if (!isShort || ipVersion === 4) return bits.slice(0, prefix)
  return [...Array<number>(96).fill(0), ...bits.slice(0, prefix)]
}

function bitsOfIpv6(address: string): number[] {
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const [before, after] = [groups(head), groups(tail)]
  const between = Array<string>(8 - before.length - after.length).fill('0')
  return [...before, ...between, ...after].flatMap((group) => bitsOfNumber(Number.parseInt(group, 16), 16))
}

function bitsOfNumber(number: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (number >> (count - 1 - index)) & 1)
}

function insert(root: Node, bits: readonly number[], place: number): void {
  let node = root
  for (const [index, bit] of bits.entries()) {
    const side = bit as 0 | 1
    if (index === bits.length - 1) node.children[side] = place
    else {
      const next = node.children[side]
      // A range inside another one divides it.
      const below: Node = typeof next === 'object' ? next : { children: [next, next] }
      node.children[side] = below
      node = below
    }
  }
}

/** Every node with its number. */
function numbered(root: Node): Map<Node, number> {
  const nodes = new Map<Node, number>()
  const open = [root]
  for (let node = open.shift(); node; node = open.shift()) {
    nodes.set(node, nodes.size)
    for (const child of node.children) if (typeof child === 'object') open.push(child)
  }
  return nodes
}

function recordOf(child: Node | number | undefined, nodes: ReadonlyMap<Node, number>): number {
  if (child === undefined) return nodes.size
  return typeof child === 'number' ? nodes.size + 16 + child : (nodes.get(child) ?? 0)
}

function encodeNode([left, right]: readonly [number, number], recordSize: 24 | 28 | 32): Buffer {
  const bytes = Buffer.alloc(recordSize / 4)
  if (recordSize === 32) {
    bytes.writeUInt32BE(left, 0)
    bytes.writeUInt32BE(right, 4)
    return bytes
  }
  bytes.writeUIntBE(left & 0xff_ffff, 0, 3)
  bytes.writeUIntBE(right & 0xff_ffff, recordSize === 24 ? 3 : 4, 3)
  if (recordSize === 28) bytes[3] = ((left >>> 24) << 4) | (right >>> 24)
  return bytes
}

const TYPES = { text: 2, double: 3, uint32: 6, map: 7, uint64: 9, array: 11, boolean: 14 }

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([control(TYPES.text, text.length), text])
  }
  if (typeof value === 'boolean') return control(TYPES.boolean, value ? 1 : 0)
  if (typeof value === 'number') return encodeNumber(value)
  if (Array.isArray(value)) return Buffer.concat([control(TYPES.array, value.length), ...value.map(encode)])
  const entries = Object.entries(value as Record<string, MmdbValue>) // nothing else is left
  return Buffer.concat([
    control(TYPES.map, entries.length),
    ...entries.flatMap(([key, each]) => [encode(key), encode(each)]),
  ])
}

function encodeNumber(number: number): Buffer {
  if (Number.isInteger(number) && number >= 0) {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(number)
    return Buffer.concat([control(TYPES.uint32, 4), bytes])
  }
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(number)
  return Buffer.concat([control(TYPES.double, 8), bytes])
}

function control(type: number, size: number): Buffer {
  const further = size < 29 ? [] : size < 285 ? [size - 29] : [(size - 285) >> 8, (size - 285) & 0xff]
  const length = size < 29 ? size : size < 285 ? 29 : 30
  return Buffer.from(type < 8 ? [(type << 5) | length, ...further] : [length, type - 7, ...further])
}
