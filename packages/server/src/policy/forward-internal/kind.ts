// The kind of `forward-internal`. Pure: no I/O, no clock.

import { z } from 'zod'

import { text } from '../../values/value-schemas.ts'
import { quotedStart } from '../../values/hosts/quoted-start.ts'
import { readInternalUrl } from '../../values/hosts/internal-host.ts'
import { defineKind } from '../kind.ts'
import { isConstant } from '../templates-of.ts'

const schema = z.strictObject({
  url: text()
    .describe('The address of the internal endpoint. It may contain `${…}`.')
    .meta({ examples: ['https://api.internal'] }),
  on_error: z
    .enum(['halt', 'continue'])
    .default('halt')
    .describe(
      '`continue` lets the next action run if there is no such endpoint, or its app is offline, and nothing of the request was sent. `halt` refuses the request then.',
    ),
})

export type ForwardInternalConfig = z.output<typeof schema>

export const forwardInternalKind = defineKind({
  documentation:
    'Hands the request to an [internal endpoint](traffic-policy.md#internal-endpoints), whose own policy runs then. A policy of an agent reaches only endpoints of its own authtoken. No further action runs, unless `on_error` says so. See [Traffic policy](traffic-policy.md#forward-internal).',
  otherNames: ['forward', 'internal-forward'],
  phases: ['on_http_request'],
  admits: 'everybody',
  takesSecrets: false,
  mayAnswer: true,
  agentMayWrite: ['url', 'on_error'],
  schema,
  templates: ['url'],
  complete: (config) => config,
  asks: () => undefined,
  *check({ url }) {
    if (!isConstant(url)) return
    const problem = endpointProblem(url)
    if (problem) yield { path: ['url'], message: problem }
  },
  *warnings({ url }) {
    if (isConstant(url) || readInternalUrl(url.slice(0, url.indexOf('${')))) return
    yield 'forwards to an endpoint whose name is made for each request; if it has text of the visitor in it, visitors choose among all internal endpoints'
  },
})

/** @returns the end of a sentence */
export function endpointProblem(url: string): string | undefined {
  const read = readInternalUrl(url)
  if (!read) return `${quotedStart(url)} is not the address of an internal endpoint; write it like https://api.internal`
  if (read.rest === '' || read.rest === '/') return undefined
  return `${quotedStart(url)} has a path; forward-internal keeps the path of the request, which a url-rewrite before it can change`
}
