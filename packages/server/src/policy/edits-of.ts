// Actions that change headers, on the way to the app or back. forward/headers applies the changes when it writes the head.

import type { Action, ResponseAction } from '../exchange/action.ts'
import { HeaderEdits } from '../exchange/header-edits.ts'

export type Edit = (edits: HeaderEdits) => void

export function editRequest(edit: Edit): Action {
  return async (exchange, next) => {
    edit((exchange.requestEdits ??= new HeaderEdits()))
    await next()
  }
}

export function editResponse(edit: Edit): ResponseAction {
  return (exchange) => edit((exchange.responseEdits ??= new HeaderEdits()))
}
