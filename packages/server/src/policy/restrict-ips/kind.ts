// The kind of `restrict-ips`. Pure: no I/O, no clock.

import { addressWords } from '@sallyport/protocol'
import { z } from 'zod'

import { cidr, filledList, flag, text } from '../../values/value-schemas.ts'
import { defineKind } from '../kind.ts'
import { isLate, orLate } from '../late-text.ts'
import type { LateText } from '../late-text.ts'

const schema = z
  .strictObject({
    allow: filledList(orLate(cidr()), 'would mean nobody; remove it or add an address range')
      .exactOptional()
      .describe('Address ranges that may pass. Without it, all addresses that `deny` does not contain.'),
    deny: filledList(orLate(cidr()), 'would mean no range; remove it or add an address range')
      .exactOptional()
      .describe('Address ranges that may not pass. It overrides `allow`.'),
    ip_policies: filledList(text(), 'would mean no range; remove it or add the id of a policy')
      .exactOptional()
      .describe('Ids in the top-level `ip_policies`: their ranges are added to `allow` and `deny`.')
      .meta({ examples: ['[ipp_office]'] }),
    enforce: flag()
      .default(true)
      .describe(
        'If `false`, all visitors pass; the log then says, once a minute at most, who would have been refused.',
      ),
  })
  .refine(
    ({ allow, deny, ip_policies: ids }) => allow !== undefined || deny !== undefined || ids !== undefined,
    'has no effect; add allow or deny with address ranges',
  )

/** With the ranges of its IP policies. */
export type RestrictIpsConfig = Omit<z.output<typeof schema>, 'ip_policies'>

/** For people. */
function wordsOf(range: string | LateText): string {
  return isLate(range) ? range.source : range
}

export const restrictIpsKind = defineKind({
  documentation:
    'Checks the address of the connection, or the address that a trusted proxy reports. In `on_tcp_connect` the connection ends without an answer, in `on_http_response` the answer of the app is withheld.',
  otherNames: ['ip-restriction'],
  phases: ['on_tcp_connect', 'on_http_request', 'on_http_response'],
  admits: 'some',
  takesSecrets: false,
  agentMayWrite: ['allow', 'deny', 'enforce'],
  storeMayHave: ['ip_policies'],
  schema,
  prepared: ['allow', 'deny'].map((key) => ({ at: [key], mayBeLate: true, example: '192.0.2.0/24' })),
  complete: ({ ip_policies: ids = [], allow, deny, enforce }, { ipPolicies }): RestrictIpsConfig => {
    const policies = ids.map((id) => ipPolicies.get(id))
    const allowed = [...(allow ?? []), ...policies.flatMap((policy) => policy?.allow ?? [])]
    const denied = [...(deny ?? []), ...policies.flatMap((policy) => policy?.deny ?? [])]
    return { enforce, ...(allowed.length > 0 && { allow: allowed }), ...(denied.length > 0 && { deny: denied }) }
  },
  *check({ ip_policies: ids = [] }, { supply }) {
    for (const [index, id] of ids.entries()) {
      if (supply.ipPolicies.has(id)) continue
      const message = `"${id}" is the id of something at ngrok; write its ranges under ip_policies: in relay.yml, or here as allow and deny`
      yield { path: ['ip_policies', index], message }
    }
  },
  asks: ({ allow, deny, enforce }) =>
    enforce ? addressWords(allow?.map(wordsOf), deny?.map(wordsOf)) || undefined : undefined,
  isOpen: ({ allow, enforce }) => allow === undefined || !enforce,
  *warnings({ allow }) {
    if (allow !== undefined) return
    yield 'has restrict-ips with deny alone, which lets all other addresses pass here, but none at ngrok; add allow with the addresses that may pass, such as 0.0.0.0/0 and ::/0'
  },
})
