// The CPU time of processes during a run: user and system time from /proc, which counts in steps of 10 ms.

import { cpuMicroseconds } from './processes.ts'
import type { Running } from './processes.ts'

/** Microseconds by process name. Both ends of some tunnels are the same program; their costs are added up. */
export type CpuByProcess = Readonly<Record<string, number>>

export async function withCpu<T>(
  processes: readonly Running[],
  run: () => T | Promise<T>,
): Promise<{ result: T; cpu: CpuByProcess }> {
  const before = processes.map(({ pid }) => cpuMicroseconds(pid))
  const result = await run()
  const cpu: Record<string, number> = {}
  for (const [index, { name, pid }] of processes.entries()) {
    cpu[name] = (cpu[name] ?? 0) + cpuMicroseconds(pid) - (before[index] ?? 0)
  }
  return { result, cpu }
}

export function perRequest(cpu: CpuByProcess, requests: number): CpuByProcess {
  return Object.fromEntries(Object.entries(cpu).map(([name, spent]) => [name, spent / requests]))
}
