// The kind of `any-of`. Pure: no I/O, no clock.

import { z } from 'zod'

import { defineKind } from '../kind.ts'

export const anyOfKind = defineKind({
  documentation:
    'Lets requests pass that satisfy one of several actions: programs with a token, people by signing in. See [Programs](programs.md#programs-and-people-on-one-route).',
  otherNames: [],
  phases: ['on_http_request'],
  admits: 'some',
  takesSecrets: false,
  agentMayWrite: 'nothing',
  storeMayHave: [],
  schema: (alternatives) =>
    z.strictObject({
      actions: z
        .array(alternatives.schema)
        .min(2, 'needs a second action; write a single one without any-of')
        .superRefine((actions, context) => {
          const away = actions.slice(0, -1).find(({ type }) => alternatives.leadsAway(type))
          if (!away) return
          context.addIssue(
            `asks people to sign in at ${away.type}, so no action after it would run; move it to the end`,
          )
        })
        .describe('One of them is enough; they are tried in order. `openid-connect` comes last.')
        .meta({ examples: ['[{ type: service-token }, { type: openid-connect, config: … }]'] }),
    }),
  complete: ({ actions }, { complete }) => ({ actions: actions.map(complete) }),
  asks: ({ actions }, asksOf) =>
    actions
      .map(asksOf)
      .filter((words) => words !== undefined)
      .join(', or '),
  inside: ({ actions }) => actions,
})
