// Policies made from the schema of the actions: valid ones, and broken ones. Pure: each depends only on its Random.

import { z } from 'zod'

import { YamlFile } from '@sallyport/protocol/yaml-file'

import type { Kind, Phase } from './kind.ts'
import { PHASES } from './kind.ts'
import { KINDS } from './kinds.ts'

/** Numbers that look random. */
export interface Random {
  chance(probability: number): boolean
  below(limit: number): number
  pick<T>(choices: readonly T[]): T
}
type Tree = Record<string, unknown>
/** Represents a key that is left out. */
const NOTHING = Symbol('nothing')

const RULES_MAX = 3
const ACTIONS_MAX = 3
const CONDITIONS = [
  "req.method == 'POST'",
  "req.url.path.startsWith('/admin')",
  "'x-token' in req.headers && req.headers['x-token'][0] == 'a'",
  "getReqHeader('user-agent').exists(v, v.contains('curl'))",
  "conn.client_ip.matches('^10\\\\.')",
  "size(req.cookies) > 3 || !hasReqHeader('accept')",
]

/** Values that only another key, or the world, makes right; NOTHING for keys that need something outside the policy. */
const VALUES: Readonly<Record<string, (random: Random) => unknown>> = {
  'openid-connect.client_id': (random) => `client-${random.below(1e9)}`,
  'openid-connect.auth_id': (random) => `auth-${random.below(1e9)}`,
  'openid-connect.scopes': () => ['openid', 'email'],
  'openid-connect.allow': () => ({ domains: ['example.com'] }),
  'openid-connect.deny': () => ({ emails: ['eve@example.com'] }),
  'openid-connect.client_authentication': () => NOTHING,
  'openid-connect.client_key': () => NOTHING,
  'openid-connect.id_token_alg': () => NOTHING,
  'openid-connect.identity_groups': () => 'all',
  'oauth.provider': (random) => random.pick(['google', 'gitlab']),
  'oauth.client_id': (random) => `client-${random.below(1e9)}`,
  'oauth.auth_id': (random) => `auth-${random.below(1e9)}`,
  'oauth.scopes': () => NOTHING,
  'oauth.email_domains': () => ['example.com'],
  'oauth.allow': () => NOTHING,
  'oauth.deny': () => ({ emails: ['eve@example.com'] }),
  'oauth.identity_groups': () => 'all',
  'jwt-validation': () => ({
    issuer: { allow_list: [{ value: 'https://login.example.com' }] },
    audience: { allow_list: [{ value: 'shop' }] },
    http: { tokens: [{ type: 'jwt', method: 'header', name: 'Authorization', prefix: 'Bearer ' }] },
    jws: { allowed_algorithms: ['RS256'] },
  }),
  'basic-auth.credentials': () => ['ada:a long password'],
  'basic-auth.realm': () => 'the shop',
  'restrict-ips': (random) => ({
    allow: [`10.${random.below(256)}.0.0/16`],
    ...(random.chance(0.5) && { deny: ['10.0.0.7/32'], enforce: random.chance(0.5) }),
  }),
  'verify-webhook.provider': (random) => random.pick(['github', 'shopify', 'slack']),
  'verify-webhook.secret': () => 'a secret of the webhooks',
  'any-of': () => ({
    actions: [{ type: 'service-token' }, { type: 'basic-auth', config: { credentials: ['ada:a long password'] } }],
  }),
  'rate-limit.rate': (random) => `${60 + 10 * random.below(60)}s`,
  'circuit-breaker.num_buckets': () => 10,
  'circuit-breaker.volume_threshold': (random) => 1 + random.below(100),
  'circuit-breaker.window_duration': () => '30s',
  'circuit-breaker.tripped_duration': () => '20s',
  'deny.status_code': (random) => 400 + random.below(200),
  'redirect.status_code': (random) => random.pick([301, 302, 303, 307, 308]),
  'terminate-tls.min_version': () => '1.2',
  'terminate-tls.max_version': () => '1.3',
  'terminate-tls.mutual_tls_verification_strategy': (random) => random.pick(['require-any', 'request']),
  'set-vars': (random) => ({ vars: [{ tenant: 'shop' }, { count: random.below(10) }] }),
  'custom-response.body': () => 'hello',
  'custom-response.status_code': (random) => 200 + random.below(3),
}
/** Keys that may be left out by the schema, but not by the checks. */
const REQUIRED: ReadonlySet<string> = new Set(['oauth.client_id'])
/** Kinds whose configuration cannot be right without something else in relay.yml, or in other rules. */
const NEEDS_MORE: ReadonlySet<string> = new Set(['forward-internal', 'http-request'])

/** The actions that makePolicy() can make in a phase. */
export function actionsIn(phase: Phase): string[] {
  return Object.entries<Kind>(KINDS).flatMap(([type, { phases }]) =>
    phases.includes(phase) && !NEEDS_MORE.has(type) ? [type] : [],
  )
}

export function makePolicy(random: Random): Tree {
  const phases = PHASES.filter((phase) => actionsIn(phase).length > 0 && random.chance(0.6))
  const used = new Set<string>()
  return Object.fromEntries(
    (phases.length > 0 ? phases : [PHASES[0]!]).map((phase) => [phase, rulesIn(phase, used, random)]),
  ) // never empty
}

function rulesIn(phase: Phase, used: Set<string>, random: Random): Tree[] {
  const rules: Tree[] = []
  const count = 1 + random.below(RULES_MAX)
  while (rules.length < count) rules.push(makeRule(phase, used, random))
  return rules
}

function makeRule(phase: Phase, used: Set<string>, random: Random): Tree {
  const actions: Tree[] = []
  const count = 1 + random.below(ACTIONS_MAX)
  for (let index = 0; index < count; index++) {
    const type = random.pick(actionsIn(phase))
    const kind: Kind = KINDS[type as keyof typeof KINDS]
    // The relay takes only one of some actions, and actions behind one that admits nobody are not reached.
    if (used.has(type) && (kind.signIns || kind.isUnconditional || type === 'any-of')) continue
    used.add(type)
    // A connection that ends has no status.
    const isMute = phase === 'on_tcp_connect' && kind.admits === 'nobody'
    actions.push({ type, config: isMute ? {} : configOf(type, kind, random) })
    if (kind.admits === 'nobody') break
  }
  if (actions.length === 0) actions.push({ type: 'log', config: { metadata: { at: phase } } })
  const isConditional = phase === 'on_http_request' && random.chance(0.4)
  const mayBe = actions.every(({ type }) => !(KINDS[type as keyof typeof KINDS] as Kind).isUnconditional)
  return {
    ...(random.chance(0.3) && { name: `rule ${random.below(100)}` }),
    ...(isConditional && mayBe && { expressions: [random.pick(CONDITIONS)] }),
    actions,
  }
}

function configOf(type: string, { schema }: Kind, random: Random): unknown {
  const own = VALUES[type]
  if (own) return own(random)
  if (typeof schema === 'function') return {}
  const made = fromSchema(schema, type, random)
  return made === NOTHING ? {} : made
}

/** @param place the type of the action, and the key */
function fromSchema(schema: z.core.$ZodType, place: string, random: Random): unknown {
  const own = place.includes('.') ? VALUES[place] : undefined
  if (own) return own(random)
  const example = exampleOf(schema)
  if (example !== NOTHING) return example
  const { def } = (schema as z.core.$ZodTypes)._zod // every schema that zod has
  if (def.type === 'object') return objectOf(def.shape, place, random)
  if (def.type === 'enum') return random.pick(Object.values(def.entries))
  if (def.type === 'literal') return def.values[0]
  if (def.type === 'boolean') return random.chance(0.5)
  if (def.type === 'pipe') return fromSchema(def.out, place, random)
  if (def.type === 'number') return numberIn(schema._zod.bag, random)
  return 'innerType' in def ? fromSchema(def.innerType, place, random) : NOTHING
}

function exampleOf(schema: z.core.$ZodType): unknown {
  const { examples } = (z.globalRegistry.get(schema) ?? {}) as { examples?: readonly unknown[] }
  const [example] = examples ?? []
  if (typeof example !== 'string') return example ?? NOTHING
  if (example.includes('/etc/') || example.includes('…')) return NOTHING
  return (new YamlFile(`example: ${example}`, 'example').tree as Tree)['example']
}

function objectOf(shape: z.core.$ZodShape, place: string, random: Random): unknown {
  const made: Tree = {}
  for (const [key, schema] of Object.entries(shape)) {
    const own = `${place}.${key}`
    const { type } = (schema as z.core.$ZodTypes)._zod.def // every schema that zod has
    const mayMiss = type === 'optional' || type === 'default' || type === 'prefault'
    if (mayMiss && !REQUIRED.has(own) && random.chance(0.6)) continue
    const value = fromSchema(schema, own, random)
    if (value !== NOTHING) made[key] = value
  }
  return made
}

function numberIn({ minimum = 0, maximum = 1000 }: Record<string, unknown>, random: Random): number {
  const [low, high] = [Number(minimum), Math.min(Number(maximum), Number(minimum) + 1000)]
  return low + random.below(high - low + 1)
}

const ODD: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e21,
  '',
  ' ',
  '${',
  '${}',
  '${req.nothing}',
  '$${x}',
  '\u0000',
  '\r\nX: y',
  'a'.repeat(70_000),
  '(((((',
  '!'.repeat(5000),
  [],
  {},
  [[]],
  { '': 1 },
  [null],
  JSON.parse('{"__proto__": {"x": 1}, "constructor": 1}') as unknown,
]

/** Breaks a policy in one to three places. It may stay valid by chance. */
export function breakPolicy(policy: Tree, random: Random): unknown {
  const broken = structuredClone(policy)
  for (let count = 1 + random.below(3); count > 0; count--) {
    const places = [...placesIn(broken)]
    if (places.length === 0) break
    const [parent, key] = random.pick(places)
    if (random.chance(0.2)) Reflect.deleteProperty(parent, key)
    else if (random.chance(0.25))
      Object.assign(parent, { [`${String(key)}${random.pick(['s', 'x', '_', ' ', '\u00e9'])}`]: 1 })
    else Object.assign(parent, { [key]: structuredClone(random.pick(ODD)) })
  }
  return random.chance(0.03) ? random.pick(ODD) : broken
}

function* placesIn(value: object): Iterable<[parent: object, key: string]> {
  for (const [key, each] of Object.entries(value)) {
    yield [value, key]
    if (typeof each === 'object' && each !== null) yield* placesIn(each as object)
  }
}

/** Breaks the text of a file: something is cut, inserted, or turned. */
export function breakText(text: string, random: Random): string {
  const at = random.below(text.length)
  const odd = random.pick([
    '{',
    '}',
    '[',
    ']',
    '"',
    ':',
    '\t',
    '&a ',
    '*a',
    '!x ',
    '%',
    '---\n',
    '\u0000',
    '\ud800',
    '#',
    '|',
  ])
  if (random.chance(0.3)) return text.slice(0, at)
  if (random.chance(0.5)) return text.slice(0, at) + odd + text.slice(at)
  return text.slice(0, at) + text.slice(at + 1 + random.below(20))
}
