// One entry of `edges:`, with its routes. Pure: no I/O, no clock.

import { z } from 'zod'

import type { KindTable } from '../../policy/kind.ts'
import { hostPatternProblem } from '../../values/host-pattern.ts'
import { routePathProblem } from '../../values/route-path-problem.ts'
import { upgradeProblem } from '../../values/upgrade-problem.ts'
import { backendSchema } from './backend-schema.ts'
import { pageDetailsSchema, pagesSchema } from './pages-schema.ts'
import { policySchemaOf } from './policy-schema.ts'
import { filledList, origin, reporting, text } from '../../values/value-schemas.ts'

const upgrades = filledList(
  text().toLowerCase().superRefine(reporting(upgradeProblem)),
  'would allow WebSockets only, as without it; remove it or add a protocol',
)
  .describe(
    'Protocols that visitors of HTTP/1.1 may switch to (`Upgrade`), besides WebSockets; compared without case. After the policy, their bytes pass both ways unchanged.',
  )
  .meta({ examples: ['[tailscale-control-protocol]', '[spdy/3.1]'] })

/** @param kinds the actions that policies may have */
export function edgeSchemaOf(kinds: KindTable) {
  const policy = policySchemaOf(kinds)
  const routeSchema = z.strictObject({
    exact_path: routePath('exact_path')
      .exactOptional()
      .describe('Serves this path only. Case-sensitive. Wins over every prefix.'),
    path_prefix: routePath('path_prefix')
      .exactOptional()
      .describe('Serves this path and everything below it. Case-sensitive. The longest prefix wins.'),
    backend: backendSchema
      .exactOptional()
      .describe('The destination of allowed visitors. By default the tunnels with the label `edge=<id of the edge>`.'),
    policy: policy.exactOptional().describe('The rules for requests and responses. Without it, every visitor passes.'),
    allow_upgrades: upgrades.exactOptional(),
  })

  return z.strictObject({
    id: text()
      .regex(/^edg_[A-Za-z0-9_-]{1,64}$/, 'must be edg_ and then 1 to 64 letters, digits, _ or -, for example edg_docs')
      .describe('Names the edge in labels, logs and sessions.')
      .meta({ examples: ['edg_docs'] }),
    hosts: filledList(
      text().toLowerCase().superRefine(reporting(hostPatternProblem)),
      'would mean no host; add one, for example docs.example.com',
    )
      .describe(
        'The hosts that lead here. `*.example.com` covers every host below example.com. An exact host takes precedence over a wildcard.',
      )
      .meta({ examples: ['[docs.example.com]'] }),
    origin: origin('https://docs.example.com')
      .exactOptional()
      .describe('The origin that visitors see, if it is not the scheme and port of `public_url` with the host.'),
    description: z.string().max(255).exactOptional().describe('For people.'),
    metadata: z.string().max(4096).exactOptional().describe('For machines; the relay only keeps it.'),
    pages: pagesSchema
      .exactOptional()
      .describe('As `pages` of the relay, for this edge. Keys that are missing here are taken from there.'),
    page_details: pageDetailsSchema.exactOptional().describe('As `page_details` of the relay, for this edge.'),
    routes: z
      .array(routeSchema)
      .min(1, 'no route would serve nothing; remove it for one route that serves all paths')
      .exactOptional()
      .describe('Parts of the site by path. Without it, one route serves all paths.'),
    backend: backendSchema.exactOptional().describe('Short form for an edge without `routes`.'),
    policy: policy
      .exactOptional()
      .describe('Short form for an edge without `routes`. Beside `routes` it may have `on_tcp_connect` alone.'),
    allow_upgrades: upgrades.exactOptional().describe('Short form for an edge without `routes`.'),
  })
}

function routePath(kind: 'exact_path' | 'path_prefix') {
  return text().superRefine(reporting((path) => routePathProblem(path, kind)))
}

export type EdgeSchema = ReturnType<typeof edgeSchemaOf>
/** The result of the schema; complete-edge.ts takes it. */
export type ReadEdge = z.output<EdgeSchema>
type ReadRoute = NonNullable<ReadEdge['routes']>[number]
export type ReadPolicy = NonNullable<ReadRoute['policy']>
export type ReadBackend = NonNullable<ReadRoute['backend']>
