// Actions that change headers, on the way to the app or back. forward/headers applies the changes when it writes the head.

import type { Action, ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { HeaderEdits } from '../../exchange/header-edits.ts'

/** @param answer the app's answer, if its headers are edited */
export type Edit = (edits: HeaderEdits, exchange: Exchange, answer?: AppAnswer) => void

export function editRequest(edit: Edit): Action {
  return async (exchange, next) => {
    edit((exchange.requestEdits ??= new HeaderEdits()), exchange)
    await next()
  }
}

export function editResponse(edit: Edit): ResponseAction {
  return (exchange, answer) => edit((exchange.responseEdits ??= new HeaderEdits()), exchange, answer)
}
