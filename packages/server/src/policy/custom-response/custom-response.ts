// `custom-response`: an answer from the policy, to a request or instead of the app's.

import type { Action, ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer, Reply } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import type { Phase } from '../kind.ts'
import type { SourcesParts } from '../sources/sources.ts'
import { isConstant } from '../templates-of.ts'
import { linesFrom, textFrom } from '../text.ts'
import type { Lines } from '../text.ts'
import type { CustomResponseConfig } from './kind.ts'
import { typeOfBody } from './type-of-body.ts'

/** RFC 9110 15.3.5, 15.3.6, 15.4.5 */
const BODILESS = new Set([204, 205, 304])

/** Answers the request. This is not an error of the relay, so the answer has no `Sallyport-Error-Code`. */
export function customResponse(config: CustomResponseConfig, parts: SourcesParts): Action {
  const replyTo = repliesOf(config, 'on_http_request', parts)
  return async (exchange) => {
    const { status, headers, body } = replyTo(exchange)
    exchange.respond(status, headers, body)
  }
}

/** Replaces the app's answer, except for a switch of protocols: after that no answer is possible. */
export function replaceResponse(config: CustomResponseConfig, parts: SourcesParts): ResponseAction {
  const replyTo = repliesOf(config, 'on_http_response', parts)
  return (exchange, answer) => {
    if (!answer.isSwitch) answer.instead = replyTo(exchange, answer)
  }
}

function repliesOf(
  { status_code: status, headers, body }: CustomResponseConfig,
  phase: Phase,
  parts: SourcesParts,
): (exchange: Exchange, answer?: AppAnswer) => Reply {
  const source = BODILESS.has(status) ? '' : body
  const lines = linesFrom(headers, phase, parts)
  const text = textFrom(source, phase, 'the body of custom-response', parts)
  if ([source, ...Object.values(headers)].every(isConstant)) {
    const reply = replyOf(status, Object.entries(headers), source, source)
    return () => reply
  }
  return (exchange, answer) => replyOf(status, lines(exchange, answer), text(exchange, answer), source)
}

/** @param source the body in the policy, before values are inserted */
function replyOf(status: number, lines: ReturnType<Lines>, body: string, source: string): Reply {
  const hasType = lines.some(([name]) => name.toLowerCase() === 'content-type')
  const type = hasType || body === '' ? {} : { 'Content-Type': typeOfBody(body, source) }
  return { status, headers: { ...Object.fromEntries(lines), ...type }, body: Buffer.from(body, 'utf8') }
}
