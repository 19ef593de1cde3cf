// The circuit-breaker action: keeps requests from an app that fails too often. It counts the app's own answers with a
// status from 500 up, and requests for which the app or the tunnel to it failed. Refusals of the relay do not count.

import type { CircuitBreakerConfig } from './kind.ts'
import { RelayError } from '../../errors.ts'
import type { RelayErrorCode } from '../../errors.ts'
import type { Action } from '../../exchange/action.ts'
import type { LastingOfEdge } from '../lasting.ts'
import type { Leniency } from '../leniency.ts'
import { Circuit, type CircuitConfig } from './circuit.ts'

export interface CircuitBreakerParts {
  edgeId: string
  /** The circuit outlives the policy. */
  lasting: LastingOfEdge
  leniency: Leniency
  clock: () => number
}

/** @throws RelayError, from the action: `circuit_open` */
export function circuitBreaker(config: CircuitBreakerConfig, parts: CircuitBreakerParts): Action {
  const { enforce } = config
  const { edgeId, lasting, leniency, clock } = parts
  const circuitConfig: CircuitConfig = {
    errorThreshold: config.error_threshold,
    volumeThreshold: config.volume_threshold,
    windowMs: config.window_duration,
    trippedMs: config.tripped_duration,
  }
  const circuit = lasting(`circuit-breaker ${JSON.stringify(circuitConfig)}`, () => new Circuit(circuitConfig))

  return async (exchange, next) => {
    const pass = circuit.enter(clock())
    if (typeof pass === 'object') {
      const detail = 'the circuit is open'
      if (enforce) throw new RelayError('circuit_open', { detail, headers: retryAfter(pass.waitMs) })
      leniency.note({ edgeId, action: 'circuit-breaker', detail })
      return next()
    }
    const isProbe = pass === 'probe'
    let hasAnswer = false
    const hear = (status: number): void => {
      if (hasAnswer) return
      hasAnswer = true
      const isFault = status >= 500
      if (isProbe) circuit.probed(isFault, clock())
      else circuit.count(isFault, clock())
    }
    exchange.listenToApp(hear)
    try {
      await next()
    } catch (error) {
      if (error instanceof RelayError && FAULTS.has(error.code)) hear(error.status)
      throw error
    } finally {
      if (isProbe && !hasAnswer) circuit.probed(undefined, clock())
    }
  }
}

/** The errors that count as a failing app. A missing agent keeps its own error. */
const FAULTS: ReadonlySet<RelayErrorCode> = new Set(['app_down', 'app_bad_answer', 'app_timeout', 'tunnel_lost'])

/** RFC 9110 10.2.3: whole seconds. */
function retryAfter(waitMs: number): Record<string, string> {
  return { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) }
}
