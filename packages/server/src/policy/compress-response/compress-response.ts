// `compress-response`: has the app's answer compressed on its way to the visitor.

import type { ResponseAction } from '../../exchange/action.ts'
import { isAlgorithm } from './algorithms.ts'
import { CompressedResponse } from './compressed-response.ts'
import type { CompressResponseConfig } from './kind.ts'
import { negotiate } from './negotiate.ts'

export function compressResponse({ algorithms }: CompressResponseConfig): ResponseAction {
  const possible = algorithms.filter(isAlgorithm)
  return (exchange, answer) => {
    const algorithm = negotiate(exchange.header('accept-encoding'), possible)
    answer.through = (response) => new CompressedResponse(response, exchange.method, algorithm)
  }
}
