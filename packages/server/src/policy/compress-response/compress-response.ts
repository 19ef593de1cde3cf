// `compress-response`: has the app's answer compressed on its way to the visitor.

import type { ResponseAction } from '../../exchange/action.ts'
import type { AppAnswer } from '../../exchange/app-answer.ts'
import type { Exchange } from '../../exchange/exchange.ts'
import { edited } from '../engine/exchange-facts.ts'
import { noteResult } from '../note-result.ts'
import type { Remembering } from '../note-result.ts'
import { isAlgorithm } from './algorithms.ts'
import type { Algorithm } from './algorithms.ts'
import { isCompressible } from './compressible.ts'
import { CompressedResponse } from './compressed-response.ts'
import type { CompressResponseConfig } from './kind.ts'
import { negotiate } from './negotiate.ts'

export function compressResponse({ algorithms }: CompressResponseConfig, { readsResult }: Remembering): ResponseAction {
  const possible = algorithms.filter(isAlgorithm)
  const isRead = readsResult('compress')
  return (exchange, answer) => {
    const algorithm = negotiate(exchange.header('accept-encoding'), possible)
    answer.through = (response) => new CompressedResponse(response, exchange.method, algorithm)
    if (isRead) noteCompression(exchange, answer, algorithm)
  }
}

/** What will be done, by the head as it is now. */
function noteCompression(exchange: Exchange, answer: AppAnswer, algorithm: Algorithm | undefined): void {
  const { responseEdits } = exchange
  const head = responseEdits ? edited(answer.headers, responseEdits) : answer.headers
  noteResult(exchange, 'compress', {
    already_compressed: head.some((each, index) => index % 2 === 0 && each.toLowerCase() === 'content-encoding'),
    negotiated_algorithm: (isCompressible(exchange.method, answer.status, head) && algorithm) || '',
  })
}
