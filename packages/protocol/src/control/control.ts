// The control messages: one closed union, one schema. Both ends parse what they receive with it, because
// neither trusts the other. Unknown fields are ignored (a newer peer may send them); unknown message types
// are ignored unless they say `critical: true`. Control characters are removed from texts here, on arrival: many of
// them are for people, in a log or on a terminal. Layout on the wire: docs/protocol.md.

import { z } from 'zod'

import { ProtocolError } from '../process/errors.ts'
import { LABEL_MAX_CHARS } from './labels.ts'
import { withoutControls } from '../process/printable.ts'

export const PROTOCOL_VERSION = 1
/** WebSocket subprotocol (RFC 6455 1.9). */
export const SUBPROTOCOL = 'sallyport.v1'
/** The path at which agents connect, below `public_url`. */
export const AGENT_PATH = '/.sallyport/agent'

/** Among the `capabilities` of a relay that knows the message `policy`. */
export const CHANGES_POLICIES = 'policy'

export const CONTROL_MESSAGE_MAX_BYTES = 64 * 1024
/** The limit of a policy in `bind` with its secrets, as JSON: it leaves room for the rest of the message. */
export const POLICY_MAX_BYTES = 48 * 1024
export const SECRETS_MAX = 256
export const SECRET_NAME_MAX_CHARS = 128
const LABELS_MAX = 32
/** The limit of `edges` in `bound`: so many fit beside its endpoints, and on a screen. */
export const BOUND_EDGES_MAX = 8
/** The limit of `remarks` in `bound`. */
export const BOUND_REMARKS_MAX = 16
export const VISITORS_LINES_MAX = 4
export const VISITORS_MAX_CHARS = 300

const text = (max: number, min = 0) => z.string().min(min).max(max).transform(withoutControls)
const tunnelId = z.int().min(1).max(0xffff_ffff)
// Pairs, not an object: a key named __proto__ stays a key.
const labelPairs = z.array(z.tuple([text(LABEL_MAX_CHARS), text(LABEL_MAX_CHARS)])).max(LABELS_MAX)

/** A part of a policy, by its path, for example `["on_http_request", 0, "actions"]`. */
const problem = z.object({
  path: z.array(z.union([text(256), z.int().min(0)])).max(32),
  message: text(512),
})
/** How often the agent process has changed the policy of a tunnel: the highest one counts. */
const policyRevision = z.int().min(0)

const hello = z.object({
  type: z.literal('hello'),
  versions: z.array(z.int().min(1)).min(1).max(16),
  /** The id of an agent process. Its tunnels count once, even if it has several connections. */
  instance_id: text(64, 8),
  connection_index: z.int().min(0).max(1023),
  capabilities: z.array(text(64)).max(64),
  agent_version: text(64),
  os: text(128),
  /** The name of the agent's machine; older agents do not send it. */
  machine: text(255).optional(),
})

const welcome = z.object({
  type: z.literal('welcome'),
  version: z.int().min(1),
  session_id: text(64),
  node_id: text(64),
  /** Every node that should hold a session of this agent. One for now. */
  nodes: z.array(z.object({ node_id: text(64), url: text(2048).optional() })).max(1024),
  limits: z.object({ tunnels: z.int().min(1), stream_header_bytes: z.int().min(1) }),
  capabilities: z.array(text(64)).max(64),
  relay_version: text(64),
})

const bind = z
  .object({
    type: z.literal('bind'),
    tunnel_id: tunnelId,
    labels: labelPairs.optional(),
    /** An endpoint of its own: `https://name.example.com`, the host alone, or empty to let the relay choose one. */
    url: text(2048).optional(),
    /** For people: the address that the agent forwards to. The relay never acts on it. */
    forwards_to: text(2048),
    /** The app's Host: the visitor's (`preserve`), the upstream's (`rewrite`), or this value. */
    host_header: text(255).default('preserve'),
    /** Whether `host_header` in `Location` and in cookies of the app becomes the host of the visitor. */
    rename_answers: z.boolean().default(false),
    upstream_protocol: z.enum(['http1', 'http2']).default('http1'),
    weight: z.int().min(0).max(10_000).default(1),
    /** Whether other agents of this authtoken may serve the same endpoint. */
    pooling: z.boolean().default(false),
    /** The policy of the endpoint, in the form of a route's in relay.yml. The relay parses it. */
    policy: z.unknown().optional(),
    policy_revision: policyRevision.default(0),
    metadata: text(4096).optional(),
  })
  .refine((message) => (message.labels === undefined) !== (message.url === undefined), 'labels or url, not both')

const bound = z.object({
  type: z.literal('bound'),
  tunnel_id: tunnelId,
  /** Public URLs that lead to this tunnel, for people. */
  endpoints: z.array(text(2048)).max(256),
  /** The URI to register at the identity provider, if the endpoint's policy asks visitors to sign in. */
  redirect_uri: text(2048).optional(),
  /**
   * The first edges that lead to this tunnel, and who may visit there, for people. An older relay does not send them.
   */
  edges: z
    .array(
      z.object({
        edge_id: text(255),
        visitors: z.array(text(VISITORS_MAX_CHARS)).max(VISITORS_LINES_MAX),
      }),
    )
    .max(BOUND_EDGES_MAX)
    .optional(),
  /**
   * Remarks for people about parts of the policy that have an older form, or may not do what the author expects. An
   * older relay does not send them.
   */
  remarks: z.array(problem).max(BOUND_REMARKS_MAX).optional(),
  /** The last policy that the relay has heard of from this agent process. An older relay does not send it. */
  policy_revision: policyRevision.optional(),
  /** How many other agents of the endpoint ask for another policy: until they agree, the last one stays. */
  policy_waits_for: z.int().min(0).optional(),
})

/** The policy of an endpoint that is bound has changed. The relay answers `bound` or `refused`; the tunnel stays. */
const policy = z.object({
  type: z.literal('policy'),
  tunnel_id: tunnelId,
  policy_revision: policyRevision,
  policy: z.unknown().optional(),
})

const refused = z.object({
  type: z.literal('refused'),
  tunnel_id: tunnelId.optional(),
  code: text(64),
  reason: text(1024),
  retryable: z.boolean(),
  /** All problems of a policy. */
  problems: z.array(problem).max(64).optional(),
})

const unbind = z.object({ type: z.literal('unbind'), tunnel_id: tunnelId })
const unbound = z.object({ type: z.literal('unbound'), tunnel_id: tunnelId })
/** The relay is stopping: connect elsewhere, but keep serving open streams. */
const drain = z.object({ type: z.literal('drain'), deadline_ms: z.int().min(0) })
/** The result of the agent's own check of its app. Before the first, a tunnel counts as healthy. */
const health = z.object({
  type: z.literal('health'),
  tunnel_id: tunnelId,
  healthy: z.boolean(),
  /** For people: the reason that the last check found. */
  detail: text(255).default(''),
})
const notice = z.object({ type: z.literal('notice'), level: z.enum(['info', 'warn']), text: text(1024) })

const controlMessage = z.discriminatedUnion('type', [
  hello,
  welcome,
  bind,
  bound,
  policy,
  refused,
  unbind,
  unbound,
  drain,
  health,
  notice,
])

export type ControlMessage = z.infer<typeof controlMessage>
/** Fields that may be left out when sending, because the schema has a default for them. */
export type ControlMessageInput = z.input<typeof controlMessage>
export type Hello = z.infer<typeof hello>
export type Welcome = z.infer<typeof welcome>
export type Bind = z.infer<typeof bind>
export type Bound = z.infer<typeof bound>
export type Refused = z.infer<typeof refused>
/** An edge that leads to a tunnel, and who may visit there. */
export type BoundEdge = NonNullable<z.infer<typeof bound>['edges']>[number]
/** One problem of a policy, or one remark on it. */
export type BindProblem = NonNullable<Refused['problems']>[number]
export type Health = z.infer<typeof health>
export type PolicyChange = z.infer<typeof policy>

const KNOWN_TYPES = new Set<string>(controlMessage.options.map((option) => option.shape.type.value))
const envelope = z.object({ type: text(64), critical: z.boolean().optional() })

/**
 * Parses one control message.
 * @param json the bytes of one message, without its length prefix
 * @returns the message, or undefined for an unknown one that may be ignored
 * @throws ProtocolError `control_violation` for anything else
 */
export function parseControlMessage(json: Buffer): ControlMessage | undefined {
  let value: unknown
  try {
    value = JSON.parse(json.toString('utf8'))
  } catch (error) {
    throw new ProtocolError('control_violation', 'a control message is not JSON', { cause: error })
  }
  const kind = envelope.safeParse(value)
  if (!kind.success) throw new ProtocolError('control_violation', 'a control message has no type')
  if (!KNOWN_TYPES.has(kind.data.type)) {
    if (!kind.data.critical) return undefined
    throw new ProtocolError('control_violation', `this side does not know the message "${kind.data.type}"`)
  }
  const parsed = controlMessage.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = issue && issue.path.length > 0 ? `.${issue.path.join('.')}` : ''
    throw new ProtocolError('control_violation', `${kind.data.type}${where}: ${issue?.message ?? 'invalid'}`)
  }
  return parsed.data
}
