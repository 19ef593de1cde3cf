// `http-request`: asks an internal endpoint, and notes the answer for the expressions after it. The request has its own
// exchange and its own deadline; the visitor's connection has no part in it.

import { RelayError } from '../../errors.ts'
import type { Action, ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Phase } from '../kind.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { Deadline } from './deadline.ts'
import type { HttpRequestConfig } from './kind.ts'
import { requestsOf } from './requests-of.ts'
import type { CallRequest } from './requests-of.ts'
import { retryCondition } from './retry-condition.ts'
import { tryOnce } from './try-once.ts'
import type { HttpRequestParts, Try } from './try-once.ts'

const TRIES_MAX = 3

/** @throws RelayError, from the action: `http_request_failed`, `expression_failed`, `path_ambiguous` */
export function httpRequest(config: HttpRequestConfig, parts: HttpRequestParts & SourcesParts & Remembering): Action {
  const ask = askerOf(config, 'on_http_request', parts)
  return async (exchange, next) => {
    await ask(exchange)
    await next()
  }
}

/** The same for responses: the app's answer is held meanwhile. */
export function httpRequestOnAnswer(
  config: HttpRequestConfig,
  parts: HttpRequestParts & SourcesParts & Remembering,
): ResponseAction {
  return askerOf(config, 'on_http_response', parts)
}

function askerOf(
  config: HttpRequestConfig,
  phase: Phase,
  parts: HttpRequestParts & SourcesParts & Remembering,
): (exchange: Exchange, answer?: AppAnswer) => Promise<void> {
  const { timeout, on_error: onError, max_redirects: redirects, retry_condition: condition } = config
  const requestFor = requestsOf(config, phase, parts)
  const wantsMore = condition === undefined ? () => false : retryCondition(condition, phase, parts)
  return async (exchange, answer) => {
    const request = requestFor(exchange, answer)
    using deadline = new Deadline(exchange, timeout)
    const tries: Try[] = []
    let last: Try
    do {
      last = await tryOnce(exchange, request, { ...parts, deadline, redirects })
      tries.push(last)
    } while (tries.length < TRIES_MAX && !deadline.isOver && wantsMore(exchange, answer, tries.length, request, last))
    if (parts.readsResult('http_request')) note(exchange, request, tries, last)
    if (last.error && onError === 'halt') {
      const { code, message } = last.error
      throw new RelayError('http_request_failed', { detail: `http-request ${request.url}: ${code}: ${message}` })
    }
  }
}

function note(exchange: Exchange, request: CallRequest, tries: readonly Try[], last: Try): void {
  noteResult(exchange, 'http_request', {
    req: request.shown,
    attempts: tries.map(({ res }) => ({
      resolved_ip: '',
      response_header: res?.header ?? {},
      response_status_code: res?.status_code ?? 0,
      response_time_ms: res?.time_ms ?? 0,
    })),
    ...(last.res && { res: last.res }),
    ...(last.error && { error: last.error }),
  })
}
