// `set-vars`: sets variables for the expressions and templates that come after it in the same phase.

import { RelayError } from '../../errors.ts'
import type { Action, ConnectionAction, ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { failedExpression } from '../conditions.ts'
import { templateValue } from '../engine/template.ts'
import type { Phase } from '../kind.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { compiledTemplate } from '../text.ts'
import { memoryOf, otherReading, viewOf } from '../view-of.ts'
import type { SetVarsConfig } from './kind.ts'

export function setVars(config: SetVarsConfig, parts: SourcesParts): Action {
  const set = setter(config, 'on_http_request', parts)
  return async (exchange, next) => {
    set(exchange)
    await next()
  }
}

export function setConnectionVars(config: SetVarsConfig, parts: SourcesParts): ConnectionAction {
  const set = setter(config, 'on_tcp_connect', parts)
  return (exchange) => {
    set(exchange)
    return undefined
  }
}

export function setResponseVars(config: SetVarsConfig, parts: SourcesParts): ResponseAction {
  return setter(config, 'on_http_response', parts)
}

/** @returns a function that sets the variables in order, so that later ones see earlier ones */
function setter(
  { vars }: SetVarsConfig,
  phase: Phase,
  { sources }: SourcesParts,
): (exchange: Exchange, answer?: AppAnswer) => void {
  const all = vars.flatMap((item) =>
    Object.entries(item).map(([name, written]) => ({
      name,
      value: templateValue(written, (source) => compiledTemplate(source, phase)),
    })),
  )
  return (exchange, answer) => {
    const { ofRequest, ofResponse } = memoryOf(exchange)
    const vars = answer ? ofResponse : ofRequest
    const other = otherReading(exchange)
    const views = {
      asSent: viewOf(exchange, sources, answer),
      normal: other === undefined ? undefined : viewOf(exchange, sources, answer, other),
    }
    for (const { name, value } of all) {
      const where = `vars.${name} of set-vars`
      let isSet: boolean
      try {
        const asSent = value(views.asSent)
        isSet = vars.set(name, asSent, views.normal ? value(views.normal) : asSent)
      } catch (error) {
        throw failedExpression(error, where)
      }
      if (!isSet) {
        throw new RelayError('expression_failed', { detail: `${where}: the variables of this policy are too large` })
      }
    }
  }
}
