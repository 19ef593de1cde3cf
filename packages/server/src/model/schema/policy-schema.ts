// `policy:` of a route: its rules, and the actions of the table. Pure: no I/O, no clock.

import { z } from 'zod'

import type { Alternatives, Kind, KindTable, Phase, Step } from '../../policy/kind.ts'
import { filledList, text } from '../../values/value-schemas.ts'
import { stepNotes } from './schema-problems.ts'

/** @param kinds the actions that it may have */
export function policySchemaOf(kinds: KindTable) {
  const alternatives = alternativesOf(kinds)
  return z.strictObject({
    on_tcp_connect: rulesOf(kinds, 'on_tcp_connect', alternatives)
      .default([])
      .describe(
        'Runs once for each connection of visitors, when its first request to this edge has come; behind a trusted proxy for each request. See [Connections](traffic-policy.md#connections).',
      ),
    on_http_request: rulesOf(kinds, 'on_http_request', alternatives)
      .default([])
      .describe('Runs before a byte of the request is sent to an agent, upgrades included.'),
    on_http_response: rulesOf(kinds, 'on_http_response', alternatives)
      .default([])
      .describe('Runs on the head of the response of the app.'),
  })
}

const RULES_MAX = 1000
const EXPRESSIONS_MAX = 64

const EXAMPLES: Readonly<Record<Phase, string>> = {
  on_tcp_connect: '[{ type: restrict-ips, config: { allow: [192.0.2.0/24] } }]',
  on_http_request: '[{ type: deny }]',
  on_http_response: '[{ type: remove-headers, config: { headers: [Server] } }]',
}

function rulesOf(kinds: KindTable, phase: Phase, alternatives: Alternatives) {
  const inPhase = Object.entries(kinds).filter(([, { phases }]) => phases.includes(phase))
  const steps = inPhase.map(([type, { schema }]) =>
    stepSchema(type, typeof schema === 'function' ? schema(alternatives) : schema),
  )
  const example = EXAMPLES[phase]
  return z
    .array(
      z.strictObject({
        name: text().exactOptional().describe('For people, and for the log.'),
        expressions: z
          .array(text())
          .max(EXPRESSIONS_MAX, `has more than ${EXPRESSIONS_MAX} conditions; join some with &&`)
          .exactOptional()
          .describe(
            'Conditions in CEL: the actions run only if all of them hold. Without any they always run. See [Conditions](traffic-policy.md#conditions).',
          )
          .meta({ examples: [`["req.url.path.startsWith('/admin')"]`] }),
        actions: filledList(
          oneOf(steps, kinds, belongsElsewhere),
          'would mean nothing to do; add an action, or remove the rule',
        )
          .describe('Run in order.')
          .meta({ examples: [example] }),
      }),
    )
    .max(RULES_MAX, `has more than ${RULES_MAX} rules`)
    .meta({ examples: [`[{ actions: ${example} }]`] })
}

/** For an action in the wrong phase: its right one. */
function belongsElsewhere(type: string, { admits, phases }: Kind): string {
  const purpose = admits === 'everybody' ? 'is an action on' : 'decides about'
  const phase = phases.find((each) => each === 'on_http_request') ?? phases[0] ?? 'on_http_request'
  return `${type} ${purpose} ${OBJECTS[phase]}; put it under ${phase}`
}

const OBJECTS: Readonly<Record<Phase, string>> = {
  on_tcp_connect: 'connections',
  on_http_request: 'requests',
  on_http_response: 'responses',
}

/** The actions that may be inside another one: they admit some, and have no actions inside. */
function alternativesOf(kinds: KindTable): Alternatives {
  const steps = Object.entries(kinds).flatMap(([type, { admits, schema }]) =>
    admits === 'some' && typeof schema !== 'function' ? [stepSchema(type, schema)] : [],
  )
  return {
    schema: oneOf(steps, kinds, (type) => `${type} cannot be inside of another action; put it beside that`),
    leadsAway: (type) => kinds[type]?.signIns !== undefined,
  }
}

function stepSchema(type: string, config: z.ZodType) {
  return z.strictObject({ type: z.literal(type), config })
}

/** @param otherwise the sentence for an action of the table that is not among `steps` */
function oneOf(
  steps: readonly ReturnType<typeof stepSchema>[],
  kinds: KindTable,
  otherwise: (type: string, kind: Kind) => string,
): z.ZodType<Step> {
  const [first, ...others] = steps
  if (!first) return z.never()
  const here = new Set(steps.map(({ shape }) => shape.type.value))
  const all = Object.entries(kinds)
  return z.discriminatedUnion('type', [first, ...others]).register(stepNotes, {
    misplaced: new Map(all.filter(([type]) => !here.has(type)).map(([type, kind]) => [type, otherwise(type, kind)])),
    otherNames: new Map(all.flatMap(([type, { otherNames }]) => otherNames.map((name) => [name, type]))),
  })
}
