// `custom-response`: an answer from the policy, to a request or in the place of the app's.

import type { Action, ResponseAction } from '../../exchange/action.ts'
import type { Reply } from '../../exchange/app-answer.ts'
import type { CustomResponseConfig } from './kind.ts'
import { typeOfBody } from './type-of-body.ts'

/** RFC 9110 15.3.5, 15.3.6, 15.4.5 */
const BODILESS = new Set([204, 205, 304])

/** Answers the request. It is no error of the relay, so the answer has no `Sallyport-Error-Code`. */
export function customResponse(config: CustomResponseConfig): Action {
  const { status, headers, body } = replyOf(config)
  return async (exchange) => exchange.respond(status, headers, body)
}

/** Answers in the place of the app, but for a switch of protocols: behind that no answer is possible. */
export function replaceResponse(config: CustomResponseConfig): ResponseAction {
  const reply = replyOf(config)
  return (_, answer) => {
    if (!answer.isSwitch) answer.instead = reply
  }
}

function replyOf({ status_code: status, headers, body }: CustomResponseConfig): Reply {
  const bytes = BODILESS.has(status) ? Buffer.alloc(0) : Buffer.from(body, 'utf8')
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === 'content-type')
  const type = hasType || bytes.length === 0 ? {} : { 'Content-Type': typeOfBody(body) }
  return { status, headers: { ...headers, ...type }, body: bytes }
}
