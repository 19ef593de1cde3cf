// `log`: a line in the relay's log. Whether its metadata reads secrets has been checked when the policy was read.

import { RelayError } from '../../errors.ts'
import type { Action, ConnectionAction, ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Logger } from '../../log.ts'
import { failedExpression } from '../conditions.ts'
import { ValueError } from '../engine/expression-error.ts'
import { templateValue } from '../engine/template.ts'
import { jsonText, weightOf } from '../engine/values.ts'
import type { Phase } from '../kind.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { compiledTemplate } from '../text.ts'
import { otherReading, viewOf } from '../view-of.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { LogConfig } from './kind.ts'

/** Longer metadata are cut, and then written as a text. */
const METADATA_MAX_CHARS = 4096

export interface LogParts extends SourcesParts {
  edgeId: string
  log: Pick<Logger, 'info'>
}

/** The facts about the rule for the line. */
export interface LogPlace {
  /** `on_http_request[0] "name"` */
  readonly rule: string
}

type Site = LogParts & LogPlace & Remembering

export function logRequest(config: LogConfig, site: Site): Action {
  const write = writer(config, site, 'on_http_request')
  return async (exchange, next) => {
    write(exchange)
    await next()
  }
}

export function logConnection(config: LogConfig, site: Site): ConnectionAction {
  const write = writer(config, site, 'on_tcp_connect')
  return (exchange) => {
    write(exchange)
    return undefined
  }
}

export function logResponse(config: LogConfig, site: Site): ResponseAction {
  return writer(config, site, 'on_http_response')
}

function writer({ metadata }: LogConfig, { edgeId, log, sources, rule, readsResult }: Site, phase: Phase) {
  const value = templateValue(metadata, (source) => compiledTemplate(source, phase))
  const isRead = readsResult('log')
  return (exchange: Exchange, answer?: AppAnswer): void => {
    try {
      const made = value(viewOf(exchange, sources, answer))
      const told = toldOf(made)
      log.info({ edgeId, requestId: exchange.requestId, rule, metadata: told }, 'policy log')
      if (!isRead) return
      const other = otherReading(exchange)
      const normal = other === undefined ? undefined : value(viewOf(exchange, sources, answer, other))
      noteResult(exchange, 'log', { metadata: made }, other === undefined ? undefined : { metadata: normal })
    } catch (error) {
      if (!(error instanceof ValueError)) throw failedExpression(error, `${rule}: metadata of log`)
      throw new RelayError('expression_failed', { detail: `${rule}: metadata of log: ${error.message}` })
    }
  }
}

/** A plain value for the log. @throws ValueError */
function toldOf(value: unknown): unknown {
  // Each unit of weight is at least a character.
  if (weightOf(value, METADATA_MAX_CHARS) > METADATA_MAX_CHARS) return 'too large to be written'
  const json = jsonText(value)
  return json.length > METADATA_MAX_CHARS ? `${json.slice(0, METADATA_MAX_CHARS)}…` : JSON.parse(json)
}
