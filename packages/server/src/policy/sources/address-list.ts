// A list of addresses from a file: a range or an address in each line, comments behind `#` or `;`. Pure: no I/O, no clock.

import { BlockList, isIP, isIPv4 } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { plainAddress } from '../../exchange/visitor/client-ip.ts'
import { parseCidr } from '../../values/cidr.ts'

const RANGES_MAX = 1_000_000
const LINES_IN_A_TURN = 10_000 // a few milliseconds
const LINE_MAX_CHARS = 1000

export type AddressList = (address: string) => boolean

/**
 * Reads a list in parts, so that visitors do not wait for a long one.
 * @throws Error with the end of a sentence: the first line that is no range
 */
export async function readAddressList(bytes: Buffer): Promise<AddressList> {
  const list = new BlockList()
  let ranges = 0
  for (const [index, line] of bytes.toString('utf8').split('\n').entries()) {
    if (index % LINES_IN_A_TURN === LINES_IN_A_TURN - 1) await nextTurn()
    const range = line
      .slice(0, LINE_MAX_CHARS)
      .replace(/[#;].*$/s, '')
      .trim()
    if (range === '') continue
    const cidr = parseCidr(range)
    if ('problem' in cidr) throw new Error(`has in line ${index + 1}: ${cidr.problem}`)
    if (++ranges > RANGES_MAX) throw new Error(`has more than ${RANGES_MAX} ranges`)
    list.addSubnet(cidr.address, cidr.prefix, cidr.family)
  }
  return (address) => {
    const plain = plainAddress(address)
    return isIP(plain) !== 0 && list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
  }
}
