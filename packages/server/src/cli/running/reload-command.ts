// `relay reload`: has the running relay read its configuration again, and reports the result.

import type { ReloadReport } from '../../operator/reload.ts'
import type { StoreOption } from '../stored/with-store.ts'
import { withRunningRelay } from './asked.ts'

const SHOWN_IDS = 20

export async function reload(options: StoreOption & { json?: boolean }): Promise<void> {
  await withRunningRelay(options, async (relay) => {
    const report = await relay.post<ReloadReport>('reload')
    if (options.json) console.log(JSON.stringify(report, undefined, 2))
    else for (const line of linesOf(report)) console.error(line)
    if (!report.ok) process.exitCode = 2
  })
}

function linesOf(report: ReloadReport): string[] {
  if (!report.ok) {
    const { problems } = report
    return [
      `The configuration was not taken over: it has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}. The edges from before stay in use.`,
      ...problems.map(({ path, message }) => `  ${path}: ${message}`),
    ]
  }
  const { added, changed, removed, unchanged } = report.edges
  const isSame = added.length + changed.length + removed.length === 0
  const keys = report.restart_needed
  return [
    isSame ? `No edge has changed (${unchanged}).` : 'The edges of the configuration are in use.',
    ...row('added', added),
    ...row('changed', changed),
    ...row('removed', removed),
    ...(isSame ? [] : [`  unchanged  ${unchanged}`]),
    ...(report.taken_over.length > 0 ? [`Policies have the new ${report.taken_over.join(', ')}.`] : []),
    ...(keys.length > 0 ? [`Other keys have changed as well, and count after a restart: ${keys.join(', ')}`] : []),
  ]
}

function row(name: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return []
  const more = ids.length > SHOWN_IDS ? ` and ${ids.length - SHOWN_IDS} more` : ''
  return [`  ${name.padEnd(9)}  ${ids.slice(0, SHOWN_IDS).join(', ')}${more}`]
}
