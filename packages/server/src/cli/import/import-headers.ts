// The header modules of ngrok: headers are removed first, then added. Pure.

import type { Phase, PolicyImport } from './policy-import.ts'
import type { Written } from './written.ts'

/** ngrok's placeholders of edges, and their forms in policies. */
const PLACEHOLDERS: ReadonlyMap<string, string> = new Map([
  ['.oauth.user.email', 'actions.ngrok.oauth.identity.email'],
  ['.oauth.user.id', 'actions.ngrok.oauth.identity.id'],
  ['.oauth.user.name', 'actions.ngrok.oauth.identity.name'],
  ['.oidc.user.email', 'actions.ngrok.oidc.identity.email'],
  ['.oidc.user.id', 'actions.ngrok.oidc.identity.id'],
  ['.oidc.user.name', 'actions.ngrok.oidc.identity.name'],
  ['.client_ip', 'conn.client_ip'],
  ['.ngrok.client_ip', 'conn.client_ip'],
  ['.ngrok.geo.country_code', 'conn.geo.country_code'],
])
const PLACEHOLDER = /\$\{([^}]*)\}/g

/** Imports each header alone, so that an impossible one does not drop the others. */
export function importHeaders(module: Written | undefined, phase: Phase, into: PolicyImport, near: object): void {
  if (!module) return
  const removed = module.at('remove').entries.filter((name) => {
    const config = { headers: [name.value] }
    return isTaken(name, { actions: [{ type: 'remove-headers', config }] })
  })
  const add = module.at('add')
  const added = add.keys.flatMap((name) => {
    const value = templateOf(add.at(name).text ?? '')
    if (value !== undefined) {
      const headers = Object.fromEntries([[name, value]])
      return isTaken(add.at(name), { actions: [{ type: 'add-headers', config: { headers } }] }) ? [[name, value]] : []
    }
    into.notes.leaveOut(add.at(name), 'it has a placeholder that is not known here', near)
    return []
  })
  const actions = [
    ...(removed.length > 0 ? [{ type: 'remove-headers', config: { headers: removed.map(({ value }) => value) } }] : []),
    ...(added.length > 0 ? [{ type: 'add-headers', config: { headers: Object.fromEntries(added) } }] : []),
  ]
  if (actions.length > 0) into.offer(module, { actions }, phase, near)

  function isTaken(part: Written, rule: object): boolean {
    const problem = into.problemOf(phase, rule)
    if (problem !== undefined) into.notes.leaveOut(part, problem, near)
    return problem === undefined
  }
}

/** @returns undefined if it has an unknown placeholder */
function templateOf(text: string): string | undefined {
  let isKnown = true
  const written = text.replace(PLACEHOLDER, (_, name: string) => {
    const today = PLACEHOLDERS.get(name.trim())
    if (today === undefined) isKnown = false
    return `\${${today}}`
  })
  return isKnown ? written : undefined
}
