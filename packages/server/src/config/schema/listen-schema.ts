// `listen:` of relay.yml: the relay's addresses. Pure: no I/O, no clock.

import { z } from 'zod'

import { hostPatternProblem } from '../../values/host-pattern.ts'
import { text } from '../../values/value-schemas.ts'

/** An address to listen at; without a host, every address of the machine. Port 0 lets the system choose. */
export interface ListenAddress {
  host?: string
  port: number
}

export const listenSchema = z
  .strictObject({
    http: listenAddress(undefined)
      .exactOptional()
      .describe('Visitors and agents without TLS. With `https` beside it, visitors are redirected there.'),
    https: listenAddress(undefined).exactOptional().describe('Visitors and agents with TLS. Needs `tls.certificates`.'),
    http2: z
      .enum(['none', 'tls', 'all'])
      .default('tls')
      .describe(
        'Whether visitors may speak HTTP/2: `tls` over `https` (ALPN), `all` also over `http` with prior knowledge, for example behind a load balancer, `none` not at all.',
      ),
    admin: listenAddress('127.0.0.1')
      .prefault('127.0.0.1:4041')
      .describe('Health and metrics. Keep it on loopback or a private network.'),
    admin_hosts: z
      .array(
        text()
          .toLowerCase()
          .superRefine((host, context) => {
            const problem = host.startsWith('*.') ? 'must be a whole name' : hostPatternProblem(host)
            if (problem) context.addIssue(problem)
          }),
      )
      .default([])
      .describe(
        'Names by which programs ask for `/metrics` and `/readyz`, beside `localhost`, addresses, and the host of `admin`. Other names get 421: otherwise a page of another site could point its own name here, and read them.',
      )
      .meta({ examples: ['[relay.internal]'] }),
  })
  .refine(
    ({ http, https }) => http !== undefined || https !== undefined,
    'visitors need a way in; add http: 0.0.0.0:80 or https: 0.0.0.0:443',
  )

function listenAddress(hostOfPort: string | undefined) {
  return z
    .union([z.string(), z.number()], { error: 'must be host:port or a port, for example 0.0.0.0:8080' })
    .transform((written, context): ListenAddress => {
      const parts = /^(?:(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]+):)?(\d{1,5})$/.exec(String(written))
      if (!parts || Number(parts[2]) > 65_535) {
        context.addIssue(
          `"${written}" is not an address to listen on; write host:port or a port, for example 0.0.0.0:8080`,
        )
        return z.NEVER
      }
      const host = parts[1]?.replace(/^\[(.*)\]$/, '$1') ?? hostOfPort
      return { ...(host !== undefined && { host }), port: Number(parts[2]) }
    })
}
