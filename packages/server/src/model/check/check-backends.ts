// Compares the values of a backend, and the backends of an edge with each other. Pure: no I/O, no clock.

import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import type { ReadBackend, ReadEdge } from '../schema/edge-schema.ts'

export function* backendProblems(edge: ReadEdge, path: ConfigPath): Iterable<FoundProblem> {
  const cookies = new Map<string, string>()
  for (const { backend, path: backendPath } of backendsOf(edge, path)) {
    yield* kindProblems(backend, backendPath)
    for (const [index, { backend: branch }] of (backend.weighted ?? []).entries()) {
      yield* kindProblems(branch, [...backendPath, 'weighted', index, 'backend'])
    }
    for (const [index, step] of (backend.failover ?? []).entries()) {
      const stepPath = [...backendPath, 'failover', index]
      yield* kindProblems(step, stepPath)
      for (const [place, { backend: branch }] of (step.weighted ?? []).entries()) {
        yield* kindProblems(branch, [...stepPath, 'weighted', place, 'backend'])
      }
      if (step.fixed_response && index < (backend.failover?.length ?? 0) - 1) {
        yield {
          path: stepPath,
          message: 'always answers, so destinations after it are never reached; move it to the end',
        }
      }
    }
    if (!backend.sticky) continue
    const { cookie } = backend.sticky
    if (backend.fixed_response) {
      yield { path: [...backendPath, 'sticky'], message: 'means nothing for a fixed response; remove it' }
    }
    // Two backends with one cookie would send each visitor back and forth.
    const meaning = JSON.stringify(backend, (_, value: unknown) => (value instanceof Map ? [...value] : value))
    const other = cookies.get(cookie)
    if (other !== undefined && other !== meaning) {
      yield {
        path: [...backendPath, 'sticky', 'cookie'],
        message: `${cookie} is used on this edge with another backend; choose another name`,
      }
    }
    cookies.set(cookie, other ?? meaning)
  }
}

function* backendsOf(edge: ReadEdge, path: ConfigPath): Iterable<{ backend: ReadBackend; path: ConfigPath }> {
  if (edge.backend) yield { backend: edge.backend, path: [...path, 'backend'] }
  for (const [index, route] of (edge.routes ?? []).entries()) {
    if (route.backend) yield { backend: route.backend, path: [...path, 'routes', index, 'backend'] }
  }
}

/** Exactly one kind, and `balance` only with something to balance. */
function* kindProblems(backend: ReadBackend, path: ConfigPath): Iterable<FoundProblem> {
  const kinds = BACKEND_KINDS.filter((kind) => backend[kind] !== undefined)
  if (kinds.length === 0) {
    yield { path, message: 'leads nowhere; add labels, for example labels: { edge: edg_docs }' }
  } else if (kinds.length > 1) {
    yield { path, message: `has both ${kinds.join(' and ')}; keep one, or list them under failover or weighted` }
  }
  if (backend.balance !== undefined && backend.labels === undefined && kinds.length > 0) {
    yield { path: [...path, 'balance'], message: 'is about tunnels; write it beside the labels that it is meant for' }
  }
}

const BACKEND_KINDS = ['labels', 'fixed_response', 'weighted', 'failover'] as const
