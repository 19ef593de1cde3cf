// Compares values of relay.yml with each other, apart from edges (model/check/). schema.ts has checked each value alone.
// Takes the parts that could be read, so that these problems are reported together with the others.
// Pure: no I/O, no clock.

import type { z } from 'zod'

import type { FoundProblem } from '@sallyport/protocol/found-problem'
import type { configSchema } from './schema.ts'

export interface ReadListeners {
  publicUrl: URL | undefined
  listen: z.output<typeof configSchema.shape.listen> | undefined
  tls: z.output<typeof configSchema.shape.tls> | undefined
}

export function* checkConfig({ publicUrl, listen, tls }: ReadListeners): Iterable<FoundProblem> {
  if (!listen) return
  if (listen.https && tls && tls.certificates.length === 0) {
    yield {
      path: ['listen', 'https'],
      message: 'needs a certificate; add tls: { certificates: [{ cert_file: …, key_file: … }] }',
    }
  }
  if (listen.https && publicUrl?.protocol === 'http:') {
    yield {
      path: ['public_url'],
      message: `must be https where listen.https is set; write https://${publicUrl.hostname}`,
    }
  }
  const taken = new Map<string, string>()
  for (const name of ['http', 'https', 'admin'] as const) {
    const address = listen[name]
    if (!address || address.port === 0) continue
    const written = `${address.host ?? '*'}:${address.port}`
    const other = taken.get(written)
    if (other !== undefined)
      yield {
        path: ['listen', name],
        message: `${written} is the address of listen.${other} already; choose another port`,
      }
    taken.set(written, name)
  }
}
