// `deny`: nobody passes. The status is the operator's choice.

import type { DenyConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import type { Action, ConnectionAction } from '../../exchange/action.ts'

export function deny({ status_code }: DenyConfig): Action {
  return async () => {
    throw new RelayError('denied', { status: status_code })
  }
}

/** A connection gets no answer, so no status either. */
export function denyConnection(): ConnectionAction {
  return () => new RelayError('denied')
}
