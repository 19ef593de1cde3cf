// What an agent with a valid authtoken may send: control messages, other bytes instead, and frames of yamux. Pure:
// everything depends only on the random source.

import type { Random } from '../support/random.ts'

/** One thing that the agent does, behind a WebSocket that is open. */
export type AgentDeed =
  | { what: 'message'; json: string }
  /** Raw bytes on the control stream. */
  | { what: 'bytes'; bytes: Buffer }
  /** Bytes of the mux, in addition to those of our own session. */
  | { what: 'frames'; bytes: Buffer }
  /** A text message on a connection that carries only binary ones. */
  | { what: 'text'; text: string }
  | { what: 'wait'; ms: number }
  /** How the next streams of the relay are answered: the reply, and the bytes after it. */
  | { what: 'reply'; bytes: Buffer; end: 'end' | 'reset' | 'stay' }
  | { what: 'visit' }

export interface AgentCase {
  deeds: AgentDeed[]
  end: 'close' | 'terminate' | 'control'
}

const HELLO = {
  type: 'hello',
  versions: [1],
  instance_id: 'fuzzed-agent',
  connection_index: 0,
  capabilities: [],
  agent_version: 'test',
  os: 'test',
}

export function makeAgent(random: Random): AgentCase {
  const deeds: AgentDeed[] = []
  if (random.chance(0.9)) deeds.push(message(random.chance(0.9) ? HELLO : { ...HELLO, ...oddObject(random, KEYS) }))
  const isServing = random.chance(0.4)
  if (isServing) {
    deeds.push(message({ type: 'bind', tunnel_id: 1, labels: [['edge', 'edg_fuzzed']], forwards_to: 'http://x', upstream_protocol: random.pick(['http1', 'http2']) }), { what: 'wait', ms: 5 }) // prettier-ignore
  }
  for (let left = 1 + random.below(12); left > 0; left--) {
    if (isServing && random.chance(0.4)) {
      const end = random.pick(['end', 'reset', 'stay'] as const)
      deeds.push({ what: 'reply', bytes: reply(random), end }, { what: 'visit' })
    } else deeds.push(deed(random))
  }
  return { deeds, end: random.pick(['close', 'terminate', 'control']) }
}

export function showAgent({ deeds, end }: AgentCase): string {
  const words = deeds.map((one) => {
    if (one.what === 'message') return one.json
    if ('bytes' in one) return `${one.what} ${JSON.stringify(one.bytes.toString('latin1'))}`
    return one.what === 'text' ? `text ${one.text}` : one.what
  })
  return `${words.join('\n    ')}\n    ${end}`
}

function deed(random: Random): AgentDeed {
  const roll = random.below(100)
  if (roll < 65) return random.chance(0.15) ? { what: 'message', json: mangled(random) } : message(odd(random))
  if (roll < 75) return { what: 'bytes', bytes: controlBytes(random) }
  if (roll < 92) return { what: 'frames', bytes: frames(random) }
  if (roll < 93) return { what: 'text', text: JSON.stringify(odd(random)).slice(0, 1000) }
  return { what: 'wait', ms: random.pick([1, 5, 20]) }
}

function message(value: unknown): AgentDeed {
  const json = JSON.stringify(value) ?? 'null'
  return { what: 'message', json: json.replaceAll(/"nest (\d)"/g, (_, index: string) => NESTS[Number(index)]!) } // nested()
}

// ── control messages ───────────────────────────────────────────────────────────────────────────────

const KEYS = ['type', 'versions', 'instance_id', 'connection_index', 'capabilities', 'agent_version', 'os', 'tunnel_id', 'labels', 'url', 'forwards_to', 'host_header', 'upstream_protocol', 'weight', 'pooling', 'policy', 'metadata', 'healthy', 'detail', 'critical', 'level', 'text', '__proto__', 'constructor', 'toString'] // prettier-ignore
const TYPES = ['hello', 'bind', 'unbind', 'health', 'notice', 'welcome', 'bound', 'refused', 'unbound', 'drain', 'telemetry', '__proto__', 'constructor', ''] // prettier-ignore
const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 99, 0, -1, 0.5, 0xffff_ffff, 0x1_0000_0000, 1e308]
const URLS = ['', 'a.localhost', 'b.localhost', 'https://a.localhost', 'fuzzed.localhost', 'other.localhost', 'relay.localhost', 'localhost', '%', 'a..b', '\u0130.localhost', 'https://0.0.0.0', 'https://[::1', 'http://x', '*', '*.localhost', 'a@b', 'http://a.localhost:99999', '__proto__.localhost', 'xn--a.localhost', `${'a'.repeat(70)}.localhost`, 'http://a.localhost/\u0000'] // prettier-ignore
const LABELS = [[['edge', 'edg_fuzzed']], [['headers', 'x'], ['__proto__', 'y']], [['constructor', 'x']], [], [[]], [['a']], [['a', 'b', 'c']], [['edge', '']], [['=endpoint', 'a.localhost']], [['a', 'b'], ['a', 'b']], [['\u0000', '\u001b']], 'edge', { edge: 'edg_fuzzed' }] // prettier-ignore
const ACTIONS = ['openid-connect', 'basic-auth', 'add-headers', 'remove-headers', 'restrict-ips', 'deny', 'any-of', 'jwt-validation', 'service-token', 'redirect', '__proto__', 'constructor', ''] // prettier-ignore
const CONFIG_KEYS = ['issuer_url', 'client_id', 'client_secret', 'scopes', 'allow', 'auth_id', 'authz_url_params', 'userinfo_refresh_interval', 'max_session_duration', 'credentials', 'realm', 'headers', 'deny', 'actions', 'issuer', 'audience', 'jwks_url', 'claims', 'any_of', 'status', '__proto__', 'constructor'] // prettier-ignore

function odd(random: Random): unknown {
  if (random.chance(0.08)) return value(random)
  const type = random.pick(TYPES)
  if (type === 'bind' || random.chance(0.4)) {
    return {
      type: 'bind',
      tunnel_id: random.pick(NUMBERS),
      ...(random.chance(0.5) ? { url: random.pick(URLS) } : { labels: random.pick(LABELS) }),
      forwards_to: random.pick(['http://x', 'x', '\u009b', '', value(random)]),
      ...(random.chance(0.6) && { policy: policy(random) }),
      ...(random.chance(0.3) && oddObject(random, KEYS)),
    }
  }
  const usual = {
    tunnel_id: random.pick(NUMBERS),
    healthy: random.chance(0.5),
    detail: '\u0000'.repeat(random.pick([0, 255])),
    level: 'info',
    text: '\u001b[2J',
  }
  return { type, ...usual, ...(random.chance(0.4) && oddObject(random, KEYS)) }
}

function policy(random: Random): unknown {
  const steps = (): unknown[] =>
    Array.from({ length: random.pick([1, 1, 2, 5]) }, () => ({
      ...(random.chance(0.2) && { expressions: [value(random)], name: value(random) }),
      actions: Array.from({ length: random.pick([1, 1, 2, 9]) }, () => action(random)),
    }))
  const whole = {
    on_http_request: steps(),
    ...(random.chance(0.3) && { on_http_response: steps() }),
    ...(random.chance(0.2) && oddObject(random, [...KEYS, 'on_tcp_connect', 'enabled'])),
  }
  return random.chance(0.1) ? value(random) : random.chance(0.1) ? nested(random) : whole
}

function action(random: Random): unknown {
  const config = random.pick<() => unknown>([
    () => oddObject(random, CONFIG_KEYS),
    () => ({ issuer_url: random.pick(['http://idp.localhost:9', 'https://idp.example.com', value(random)]), client_id: 'x', ...oddObject(random, CONFIG_KEYS) }), // prettier-ignore
    () => ({ credentials: [random.pick(['a:12345678', 'a:', ':', value(random)])], headers: ['__proto__', 'constructor'] }), // prettier-ignore
    () => ({ headers: random.pick([{ 'X-A': 'b' }, JSON.parse('{"__proto__":"x","constructor":"y"}'), { Host: 'x' }, value(random)]) }), // prettier-ignore
    () => ({ allow: random.pick([['10.0.0.0/8'], ['::/0'], ['1.2.3.4/99'], [value(random)], value(random)]) }),
    () => ({ actions: [action(random)] }),
    () => value(random),
  ])()
  return random.chance(0.05) ? value(random) : { type: random.pick(ACTIONS), config }
}

/** Too deep for JSON.stringify: put into the text afterwards. */
function nested(random: Random): string {
  return `nest ${random.below(NESTS.length)}`
}

const NESTS = (
  [
    ['[', ']', 15_000],
    ['{"a":', '}', 4000],
    ['[{"actions":', '}]', 900],
    ['{"on_http_request":[{"actions":[{"type":"any-of","config":', '}]}]}', 500],
  ] as const
).map(([open, close, times]) => `${open.repeat(times)}[]${close.repeat(times)}`)

function oddObject(random: Random, keys: readonly string[]): object {
  const entries: string[] = []
  do entries.push(`${JSON.stringify(random.pick(keys))}:${JSON.stringify(value(random)) ?? 'null'}`)
  while (random.chance(0.6))
  return JSON.parse(`{${entries.join(',')}}`) as object // makes __proto__ a key like the others
}

function value(random: Random): unknown {
  return random.pick<() => unknown>([
    () => random.pick(['', 'x', '__proto__', 'constructor', '\u0000', '\ud800', '*', 'true', '8h', '-1s', '$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA']), // prettier-ignore
    () => random.pick(NUMBERS),
    () => random.pick<unknown>([null, true, false, [], {}, [[]], [null], { toString: 1 }, { length: 1e9 }]),
    () => random.pick(['é', 'a']).repeat(random.pick([300, 5000])),
    () => JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}}}') as unknown,
    () => random.pick([...URLS, ...LABELS]),
    () => [value(random), value(random)],
  ])()
}

/** Broken JSON, and JSON that is hard to read. */
function mangled(random: Random): string {
  const text = JSON.stringify(odd(random)) ?? 'null'
  const at = random.below(text.length + 1)
  return random.pick([
    text.slice(0, at),
    text.slice(0, at) + random.pick(['"', '\\', '\u0000', '{', '9'.repeat(400), '\ufeff']) + text.slice(at),
    '['.repeat(random.pick([10, 60_000])),
    `{"type":"notice","type":${text}}`,
    `{"type":"hello","versions":[${'1,'.repeat(20_000)}1]}`,
    '',
  ])
}

function controlBytes(random: Random): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(random.pick([0, 1, 3, 65_536, 65_537, 0x7fff_ffff, 0xffff_ffff]))
  return Buffer.concat([
    length.subarray(0, random.pick([4, 4, 4, 1, 3])),
    Buffer.from(random.pick(['', '{}', 'null', '\xff\xfe', '{a}', ' ']), 'latin1'),
  ])
}

// ── the mux ────────────────────────────────────────────────────────────────────────────────────────

/** Frames with mostly plausible headers of 12 bytes. */
function frames(random: Random): Buffer {
  return Buffer.concat(
    Array.from({ length: random.pick([1, 1, 2, 5, 40]) }, () => {
      const payload = Buffer.alloc(random.pick([0, 0, 1, 4, 300]), 'x')
      const head = Buffer.alloc(12)
      head[0] = random.pick([0, 0, 0, 0, 0, 1, 255])
      head[1] = random.pick([0, 0, 1, 1, 2, 3, 4, 255])
      head.writeUInt16BE(random.pick([0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 0xffff]), 2)
      head.writeUInt32BE(random.pick([0, 1, 1, 1, 2, 2, 3, 4, 5, 100, 0xffff_ffff]), 4)
      const length = [payload.length, payload.length, payload.length, 0, 1, 262_144, 262_145, 0x7fff_ffff, 0xffff_ffff]
      head.writeUInt32BE(random.pick(length), 8)
      const whole = Buffer.concat([head, payload])
      return random.chance(0.05) ? whole.subarray(0, random.below(whole.length)) : whole
    }),
  )
}

/** The reply byte of a stream, a refusal, or something else, then an app's bytes. */
function reply(random: Random): Buffer {
  const text = random.pick(['', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'HTTP/1.1 103 x\r\nLink: <x>;\r\n\r\n', '\0\0\0\x04\0\0\0\0\0', 'x'.repeat(70_000)]) // prettier-ignore
  const first = random.pick(['\0', '\0', '\0', '\x01', '\x01\x07refused', '\x02\x00', '\x01\xffx', '\xff', '', '\x07'])
  return Buffer.from(first + text, 'latin1')
}
