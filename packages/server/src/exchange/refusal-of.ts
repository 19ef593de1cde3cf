// The relay's own answer to an error, in the form that the request asks for: a page, a problem document, or gRPC. Pure: no I/O,
// no clock.

import type { RelayError } from '../errors.ts'
import { errorAnswer } from '../pages/error-page.ts'
import type { ErrorAnswer } from '../pages/error-page.ts'
import type { Frame } from '../pages/frame.ts'
import { grpcAnswer } from './grpc.ts'

/** As much of an exchange as this is about. */
export interface Refused {
  readonly grpcType: string | undefined
  readonly isNavigation: boolean
  readonly frame: Frame
  header(name: string): string | undefined
}

export function refusalOf(error: RelayError, refused: Refused): ErrorAnswer {
  const { grpcType, isNavigation, frame } = refused
  if (grpcType !== undefined) return grpcAnswer(error, frame, grpcType)
  const [accept, fetchDestination] = [refused.header('accept'), refused.header('sec-fetch-dest')]
  return errorAnswer(error, frame, { accept, fetchDestination, isNavigation })
}
