// An HTTPS edge of ngrok's API becomes an edge of relay.yml. Pure.

import type { Account } from './account.ts'
import { importBackend } from './import-backend.ts'
import { importModules } from './import-modules.ts'
import { literally } from './literally.ts'
import type { Notes } from './notes.ts'
import { PolicyImport } from './policy-import.ts'
import type { Written } from './written.ts'

export type Edge = Record<string, unknown>

/** @returns undefined if nothing of it can be served */
export function importEdge(edge: Written, account: Account, notes: Notes, root: object): Edge | undefined {
  const hosts = edge.at('hostports').texts.map((hostport) => hostport.replace(/:\d+$/, '').toLowerCase())
  const routes = edge.at('routes').entries
  if (hosts.length === 0 || routes.length === 0) {
    notes.leaveOut(edge, `it has no ${hosts.length === 0 ? 'host' : 'routes'}, so it serves nobody`, root)
    return undefined
  }
  const imported: Edge = {
    id: idOf(edge),
    hosts: [...new Set(hosts)],
    ...described(edge),
  }
  noteHosts(edge, notes, imported)
  const connections = new PolicyImport(account, notes)
  importTls(edge, connections)
  if (connections.policy) imported['policy'] = connections.policy
  imported['routes'] = routes.map((route) => importRoute(edge, route, account, notes))
  return imported
}

/** Agents keep the labels that they have, so the id may be shorter than ngrok's `edghts_…`. */
function idOf(edge: Written): string {
  const id = (edge.at('id').text ?? 'ngrok').replace(/^edg[a-z]*_/, '')
  return `edg_${id.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64)}`
}

function described(edge: Written): object {
  return Object.fromEntries(
    ['description', 'metadata'].flatMap((key) => {
      const text = edge.at(key).text
      return text === undefined ? [] : [[key, literally(text)]]
    }),
  )
}

function noteHosts(edge: Written, notes: Notes, near: object): void {
  for (const hostport of edge.at('hostports').entries) {
    const text = hostport.text ?? ''
    if (/\.ngrok(?:-free)?\.(?:app|dev|io|pizza|pro)(?::\d+)?$/i.test(text)) {
      notes.leaveOut(
        hostport,
        `${text} is a host of ngrok’s, which will not lead to your relay; give the edge a host of yours`,
        near,
      )
    } else if (/:(?!443$)\d+$/.test(text)) {
      notes.leaveOut(hostport, 'the port; the relay serves its hosts at the ports of listen', near)
    }
  }
}

function importRoute(edge: Written, route: Written, account: Account, notes: Notes): Edge {
  const key = route.at('match_type').value === 'exact_path' ? 'exact_path' : 'path_prefix'
  const imported: Edge = { [key]: route.at('match').text ?? '/' }
  const module = route.module('backend')
  const backend =
    importBackend(module, account, notes, imported) ??
    (module ? { labels: { edge: edge.at('id').text ?? '' } } : NOTHING)
  imported['backend'] = backend
  if (!module) notes.leaveOut(route.at('backend'), 'there is none, so visitors get an answer of the relay', imported)
  const policy = new PolicyImport(account, notes)
  importModules(route, policy, imported)
  if (policy.policy) imported['policy'] = policy.policy
  return imported
}

const NOTHING = { fixed_response: { status: 404, body: 'Nothing is here.' } }

/** Both TLS modules of the edge become one action. It decides about connections, which have no path yet. */
function importTls(edge: Written, into: PolicyImport): void {
  const [mutual, termination] = [edge.module('mutual_tls'), edge.module('tls_termination')]
  const ids = mutual?.at('certificate_authorities').entries.flatMap((each) => each.at('id').text ?? []) ?? []
  const unknown = ids.filter((id) => !into.account.authorities.has(id))
  if (mutual && (unknown.length > 0 || ids.length === 0)) {
    const names = unknown.length > 0 ? `${unknown.join(', ')} is not in these files` : 'it names no authority'
    const message = `${names}; add the answer of ngrok’s API at /certificate_authorities, or write terminate-tls`
    return into.close(mutual, message, 'on_tcp_connect')
  }
  if (termination?.at('terminate_at').value === 'upstream') {
    const message = 'the relay ends TLS by itself, so the app does not see the visitor’s'
    return into.close(termination, message, 'on_tcp_connect')
  }
  const version = termination?.at('min_version').text
  const config = {
    ...(version !== undefined && /^1\.[23]$/.test(version) && { min_version: version }),
    ...(ids.length > 0 && { mutual_tls_certificate_authorities: ids }),
  }
  if (Object.keys(config).length === 0) return
  into.guard(mutual ?? edge.at('tls_termination'), { actions: [{ type: 'terminate-tls', config }] }, 'on_tcp_connect')
}
