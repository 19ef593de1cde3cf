// Functions of IP addresses. ngrok docs: "Macros Reference", Utility; `isPrivateIp` means RFC 1918.

import { BlockList, SocketAddress, isIP, isIPv4 } from 'node:net'

import { parseCidr } from '../../../values/cidr.ts'
import { ValueError } from '../expression-error.ts'
import type { ExpressionView } from '../expression-view.ts'
import { rememberLast } from '../remember-last.ts'
import { type FunctionDefinition, define } from './define-function.ts'

export const ADDRESS_FUNCTIONS: readonly FunctionDefinition[] = [
  define(
    'inCidrRange(string, string): bool',
    'whether an address is in a range; false if the range is not valid',
    (view: ExpressionView, address: string, range: string) => isWithin(view, address, range),
  ),
  define(
    'inCidrRanges(string, list<string>): bool',
    'whether an address is in one of the ranges; invalid ones are ignored',
    (view: ExpressionView, address: string, ranges: readonly string[]) => {
      view.budget.spend(ranges.length)
      return ranges.some((range) => isWithin(view, address, range))
    },
  ),
  define(
    'string.isPrivateIp(): bool',
    'whether it is a private address of RFC 1918',
    (view: ExpressionView, text: string) => {
      view.budget.spendText(text.length)
      return isIPv4(text) && PRIVATE.some((range) => isWithin(view, text, range))
    },
  ),
]

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

/** Policies have few ranges; ranges that are made from variables replace the oldest ones. */
const REMEMBERED_MAX = 1000
const remembered = new Map<string, BlockList | undefined>()

/** @throws ValueError if the text is not an address, because neither answer would be right */
function isWithin({ budget }: ExpressionView, address: string, range: string): boolean {
  budget.spend(10)
  const parsed = parseAddress(address)
  if (!parsed) throw new ValueError('inCidrRange: the first argument is not an IP address')
  return rangeOf(range)?.check(parsed) ?? false
}

const parseAddress = rememberLast((address) => {
  const family = isIP(address)
  return family === 0 ? undefined : new SocketAddress({ address, family: family === 4 ? 'ipv4' : 'ipv6' })
})

function rangeOf(written: string): BlockList | undefined {
  const known = remembered.get(written)
  if (known !== undefined || remembered.has(written)) return known
  const cidr = written.length > RANGE_MAX_CHARS ? { problem: '' } : parseCidr(written)
  let range: BlockList | undefined
  if (!('problem' in cidr)) {
    range = new BlockList()
    range.addSubnet(cidr.address, cidr.prefix, cidr.family)
  }
  const [oldest] = remembered.keys()
  if (remembered.size >= REMEMBERED_MAX && oldest !== undefined) remembered.delete(oldest)
  remembered.set(written, range)
  return range
}

const RANGE_MAX_CHARS = 50 // the longest IPv6 address with its prefix has 49
