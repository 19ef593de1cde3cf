// Who may pass a route, in words for people: its operator, and those whose agents serve it. Pure.

import {
  PASSWORD_WORDS,
  VISITORS_LINES_MAX,
  VISITORS_MAX_CHARS,
  addressWords,
  listed,
  signInWords,
  whoMayVisit,
} from '@sallyport/protocol'
import type { NamedPeople } from '@sallyport/protocol'

import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import type { PolicyConfig, RequestAction, RouteConfig } from '../model/edge-config.ts'

/** What every visitor of a route has to satisfy, for example `from 10.0.0.0/8, and sign-in at login.example.com`. */
export function whoMayPass(policy: PolicyConfig): string {
  return whoMayVisit(stepsOf(policy))
}

/** Whether nobody has to satisfy anything, but for addresses that are kept out. */
export function isOpenToAll({ on_http_request: rules }: PolicyConfig): boolean {
  return !rules.some(({ actions }) => actions.some(asksSomething))
}

/** What an agent is told of those who may visit the routes that lead to it: as much as `bound` has room for. */
export function visitorsOf(routes: readonly RouteConfig[]): string[] {
  return whoMayPassEach(routes).map((line) =>
    line.length > VISITORS_MAX_CHARS ? `${line.slice(0, VISITORS_MAX_CHARS - 1)}…` : line,
  )
}

/** One line where the routes agree, otherwise one for each path, a few of them. */
function whoMayPassEach(routes: readonly RouteConfig[]): string[] {
  const words = routes.map(({ policy }) => whoMayPass(policy))
  if (new Set(words).size <= 1) return words.slice(0, 1)
  const lines = routes.map((route, index) => `${pathOf(route)}: ${words[index]!}`) // one for each
  const more = lines.length - VISITORS_LINES_MAX
  return more > 0 ? [...lines.slice(0, VISITORS_LINES_MAX - 1), `and ${more + 1} more paths`] : lines
}

/** The path of a route as people write it: `/docs/*`. */
export function pathOf(route: RouteConfig): string {
  return route.exact_path ?? `${route.path_prefix}${route.path_prefix.endsWith('/') ? '' : '/'}*`
}

function stepsOf({ on_http_request: rules }: PolicyConfig): string[] {
  return rules.flatMap(({ actions }) => actions.map(stepOf)).filter((step) => step !== undefined)
}

/** What an action asks of a visitor; undefined where it asks nothing. */
function stepOf(action: RequestAction): string | undefined {
  switch (action.type) {
    case 'openid-connect': {
      const ways = [action.config, ...(action.config.alternatives ?? [])]
      return signInWords(
        ways.map(({ issuer_url: issuer, allow, deny }) => ({ issuer, allow: peopleOf(allow), deny: peopleOf(deny) })),
      )
    }
    case 'service-token':
      return 'a service token'
    case 'jwt-validation':
      return `a token of ${listed(action.config.issuer.allow_list.map(({ value }) => value))}`
    case 'basic-auth':
      return PASSWORD_WORDS
    case 'restrict-ips':
      return addressWords(action.config.allow, action.config.deny) || undefined
    case 'any-of':
      return action.config.actions
        .map(stepOf)
        .filter((step) => step !== undefined)
        .join(', or ')
    case 'deny':
      return 'nobody'
    case 'add-headers':
    case 'remove-headers':
      return undefined
  }
}

function asksSomething(action: RequestAction): boolean {
  return action.type === 'restrict-ips' ? action.config.allow !== undefined : stepOf(action) !== undefined
}

function peopleOf(people: OpenidConnectConfig['allow']): NamedPeople {
  const claims = people?.claims?.flatMap(({ claim, any_of: values }) => {
    const name = typeof claim === 'string' ? claim : claim.join('.')
    return values.map((value) => `${name} ${value}`)
  })
  return { emails: people?.emails, domains: people?.domains, groups: people?.groups?.any_of, claims }
}
