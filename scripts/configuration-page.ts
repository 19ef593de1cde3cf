// docs/configuration.md, made from the schemas of relay.yml and of edges and from the table of actions, so that the
// page always agrees with the relay. generate-configuration-doc.ts writes it.

import { createRequire } from 'node:module'
import { join } from 'node:path'

import { configSchema } from '../packages/server/src/config/schema.ts'
import { edgeSchemaOf, type EdgeSchema } from '../packages/server/src/model/schema/edge-schema.ts'
import { mayBeLate } from '../packages/server/src/policy/late-text.ts'
import { PHASES, type Kind, type KindTable, type Phase } from '../packages/server/src/policy/kind.ts'

// The server's own zod: this folder has none.
const { z } = createRequire(join(import.meta.dirname, '../packages/server/package.json'))(
  'zod',
) as typeof import('../packages/server/node_modules/zod/index.js') // the package that the line above loads

/** As much of JSON Schema as z.toJSONSchema makes of ours. */
interface Shape {
  type?: string | string[]
  description?: string
  default?: unknown
  enum?: unknown[]
  const?: unknown
  items?: Shape
  properties?: Record<string, Shape>
  required?: string[]
  additionalProperties?: Shape | boolean
  oneOf?: Shape[]
  anyOf?: Shape[]
}

const INTRODUCTION = `# Configuration of the relay

\`relay start --config relay.yml\` reads one YAML file; \`relay check --config relay.yml\` reports every problem in it
and starts nothing. Without \`--config\` the relay runs in local mode: on loopback, with the edge \`edg_local\` at
<http://app.localhost:8080> and without sign-in. If a program has port 8080 or 4041 already, the relay says so, and takes the
next free one.

* Unknown keys are refused. All problems are reported at once, with path and line; the exit code is then 2.
* \`\${NAME}\` in a text means the environment variable NAME, \`\${NAME:default}\` the default if NAME is missing or
  empty. \`$\${\` means a plain \`\${\`. A missing variable without a default is a problem. In policies some
  texts may contain [expressions](traffic-policy.md#templates): there only names in capitals are variables.
* Durations are \`90s\`, \`15m\`, \`8h\`, \`7d\`, or a number of seconds.
* Relative paths of files start at the folder of the configuration file.
* **Paths of routes are case-sensitive**: \`/Admin\` is not \`/admin\`. If your app does not distinguish case, put the rule on a
  \`path_prefix\` above both. Hosts are not case-sensitive.

## Example

\`\`\`yaml
domain: example.com
public_url: https://relay.example.com
listen: { http: 0.0.0.0:80, https: 0.0.0.0:443, admin: 127.0.0.1:4041 }
tls:
  certificates:
    - { cert_file: /etc/sallyport/example.com.crt, key_file: /etc/sallyport/example.com.key }
store: sqlite:/var/lib/sallyport/relay.db

edges:
  # Everyone whom the identity provider signs in and who is in the group "docs".
  # An agent joins with: agent tunnel --label edge=edg_docs http://localhost:8000
  - id: edg_docs
    hosts: [docs.example.com]
    policy:
      on_http_request:
        - name: sign in
          actions:
            - type: openid-connect
              config:
                issuer_url: https://login.example.com
                client_id: sallyport
                client_secret: "\${OIDC_SECRET}"
                allow: { groups: { any_of: [docs] } }

  # One host, two apps: the API takes calls from the office network only.
  - id: edg_shop
    hosts: [shop.example.com, www.shop.example.com]
    routes:
      - path_prefix: /api
        backend: { labels: { app: shop-api } }
        policy:
          on_http_request:
            - actions:
                - type: restrict-ips
                  config: { allow: [192.0.2.0/24, "2001:db8::/32"] }
      - exact_path: /server-status
        policy: { on_http_request: [{ actions: [{ type: deny }] }] }
      - path_prefix: /
        policy:
          on_http_response:
            - actions:
                - type: set-headers
                  config: { headers: { X-Frame-Options: DENY } }
                - type: remove-headers
                  config: { headers: [X-Powered-By] }
\`\`\``

const ROUTES = `\`exact_path\` wins over \`path_prefix\`, a longer prefix over a shorter one. A prefix covers itself and everything below it:
\`/api\` covers \`/api\` and \`/api/users\`, not \`/apis\`. A request whose path has two readings that lead to different
routes is refused with 400. Every route has exactly one of the two; an edge without \`routes\` has one route for all paths.`

const BACKENDS = `A backend is exactly one of \`labels\`, \`fixed_response\`, \`weighted\` and \`failover\`. A failover may list weighted
backends, not the other way round. [Load balancing](load-balancing.md) says when to use which.`

const POLICIES = `A rule is a list of actions; rules and actions run in the order of the file. All of them hold: an address rule and a sign-in
on one route mean both. A connection has no path, so \`on_tcp_connect\` belongs in the policy of the edge (\`edges[].policy\`), also if it
has routes. The [policy of an agent](agent-http.md#a-policy-in-a-file) has the same form, with fewer actions.`

const TYPES: Record<string, string> = {
  string: 'text',
  integer: 'number',
  boolean: 'true or false',
}

/** @param kinds the actions that policies may be made of */
export function configurationPage(kinds: KindTable): string {
  const root = shapeOf(configSchema)
  const edge = shapeOf(edgeSchemaOf(kinds))
  const route = inside(edge, 'routes')
  const policy = inside(route, 'policy')
  const actions = new Map(PHASES.flatMap((phase) => actionsOf(policy, phase)).map((action) => [typeOf(action), action]))

  return `${[
    '<!-- Made by scripts/generate-configuration-doc.ts from the schemas in packages/server/src/config and model, and from policy/kinds.ts. Do not edit. -->',
    INTRODUCTION,
    `## The whole file\n\n${table(root, { skip: ['limits', 'timeouts', 'edges'] })}`,
    `## Edges: \`edges[]\`\n\n${table(edge, { shallow: ['routes', 'backend', 'policy'] })}`,
    `## Routes: \`edges[].routes[]\`\n\n${ROUTES}\n\n${table(route, { shallow: ['backend', 'policy'] })}`,
    `## Backends: \`edges[].routes[].backend\`\n\n${BACKENDS}\n\n${table(inside(route, 'backend'), { shallow: ['backend', 'failover'] })}`,
    `## Policies: \`edges[].routes[].policy\`\n\n${POLICIES}\n\n${table(policy, { shallow: ['actions'] })}`,
    ...Object.entries(kinds).map(([type, kind]) => {
      const action = actions.get(type)
      if (!action) throw new Error(`the schema has no ${type}; it has no phase`)
      const config = inside(action, 'config')
      const sentences = [kind.documentation, placesOf(kind.phases), agentsPartOf(kind.agentMayWrite, config)]
      return `### \`${type}\`\n\n${sentences.join(' ')}${keysOf(config)}`
    }),
    `## Limits: \`limits\`\n\n${root.properties?.['limits']?.description ?? ''}\n\n${table(inside(root, 'limits'), {})}`,
    `## Timeouts: \`timeouts\`\n\n${root.properties?.['timeouts']?.description ?? ''}\n\n${table(inside(root, 'timeouts'), {})}`,
  ].join('\n\n')}\n`
}

function shapeOf(schema: typeof configSchema | EdgeSchema): Shape {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any', // a text that is made for each exchange, which no file contains
    // zod leaves it out if a value is converted before it is checked.
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod
      if (mayBeLate(zodSchema)) {
        const [, written] = jsonSchema.anyOf ?? []
        delete jsonSchema.anyOf
        Object.assign(jsonSchema, { ...written, ...jsonSchema })
      }
      if (def.type === 'default' || def.type === 'prefault') jsonSchema.default = def.defaultValue
    },
  }) as Shape // its own type admits much more
}

/** The places in which an action may be. */
function placesOf(phases: readonly Phase[]): string {
  const objects = PHASES.filter((phase) => phases.includes(phase)).map((phase) => OBJECTS[phase])
  const last = objects.pop() ?? ''
  return objects.length === 0 ? `For ${last} only.` : `For ${objects.join(', ')} and ${last}.`
}

const OBJECTS: Readonly<Record<Phase, string>> = {
  on_tcp_connect: 'connections',
  on_http_request: 'requests',
  on_http_response: 'responses',
}

/** How much of an action may be in the policy of an agent. */
function agentsPartOf(agentMayWrite: Kind['agentMayWrite'], config: Shape): string {
  if (agentMayWrite === 'nothing') return 'An agent may not write it.'
  const closed = Object.keys(config.properties ?? {}).filter((key) => !agentMayWrite.includes(key))
  if (closed.length === 0) return 'An agent may write it.'
  const keys = closed.map((key) => `\`${key}\``)
  const last = keys.pop()
  return `An agent may write it, but not ${keys.length > 0 ? `${keys.join(', ')} and ${last}` : last}.`
}

/** The table of an action; empty if it has no keys. */
function keysOf(config: Shape): string {
  if (Object.keys(config.properties ?? {}).length === 0) return ''
  return `\n\n${table({ properties: { config }, required: [] }, { bare: true, shallow: ['alternatives'] })}`
}

interface TableOptions {
  /** Left out, because they have their own section. */
  skip?: string[]
  /** Shown as one line. */
  shallow?: string[]
  /** Only the contents of the block, not the block itself. */
  bare?: boolean
}

function table(shape: Shape, { skip = [], shallow = [], bare = false }: TableOptions): string {
  const rows = [...rowsOf(shape, '', skip, shallow)].slice(bare ? 1 : 0)
  return ['| key | type | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

function* rowsOf(shape: Shape, prefix: string, skip: string[], shallow: string[]): Iterable<string> {
  for (const [key, child] of Object.entries(shape.properties ?? {})) {
    if (skip.includes(key)) continue
    const path = `${prefix}${key}`
    const preset = shape.required?.includes(key) ? '**required**' : presetOf(child)
    yield `| \`${path}\` | ${kindOf(child)} | ${preset} | ${cell(child.description ?? '')} |`
    if (shallow.includes(key)) continue
    yield* rowsOf(child, `${path}.`, skip, shallow)
    if (child.items) yield* rowsOf(child.items, `${path}[].`, skip, shallow)
  }
}

function kindOf(shape: Shape): string {
  if (shape.enum) return shape.enum.map((value) => `\`${String(value)}\``).join(' or ')
  if (shape.items)
    return shape.items.properties || shape.items.oneOf ? 'list of blocks' : `list of ${kindOf(shape.items)}`
  if (typeof shape.additionalProperties === 'object') return 'names and values'
  if (shape.properties) return 'block'
  if (shape.anyOf) return shape.anyOf.map(kindOf).join(' or ')
  const types = [shape.type ?? 'any'].flat()
  return types.map((type) => TYPES[type] ?? type).join(' or ')
}

function presetOf({ default: preset }: Shape): string {
  if (
    preset === undefined ||
    preset === '' ||
    (typeof preset === 'object' && preset !== null && Object.keys(preset).length === 0) ||
    (Array.isArray(preset) && preset.some((entry) => typeof entry === 'object'))
  )
    return ''
  return Array.isArray(preset) ? `\`[${preset.join(', ')}]\`` : `\`${JSON.stringify(preset).replaceAll('"', '')}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function inside(shape: Shape, key: string): Shape {
  const child = shape.properties?.[key]
  if (!child) throw new Error(`the schema has no ${key} any more; change this script`)
  return child.items ?? child
}

function actionsOf(policy: Shape, phase: string): Shape[] {
  return inside(inside(policy, phase), 'actions').oneOf ?? []
}

function typeOf(action: Shape): string {
  return String(inside(action, 'type').const)
}
