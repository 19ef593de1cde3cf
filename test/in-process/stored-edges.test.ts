// Edges of the store in a relay that runs: made, changed, closed and removed by another process's writes, while requests
// pass (issue 15, "Live").

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'

import { Secret } from '@sallyport/protocol'
import { loadLanguage } from '@sallyport/server'

import { Keys } from '../../packages/server/src/keys.ts'
import { EdgeConflict, EdgeDesk } from '../../packages/server/src/operator/edge-desk.ts'
import type { EdgeSpec } from '../../packages/server/src/operator/edge-desk.ts'
import { openStore } from '../../packages/server/src/store/open-store.ts'
import type { Store } from '../../packages/server/src/store/store.ts'
import { ask } from '../support/ask.ts'
import { httpApp, startStack, type Stack } from '../support/stack.ts'
import { until } from '../support/until.ts'

const AUTHOR = { actor: { kind: 'local', name: 'ada' }, via: 'cli' } as const
const BACKEND = { backend: { labels: { edge: 'edg_app' } } }

describe('edges of the store (control plane, A)', () => {
  let stack: Stack
  let store: Store
  let desk: EdgeDesk
  let keys: Keys

  before(async () => {
    await loadLanguage()
    const app = httpApp((request, response) => {
      const answer = (): void => void response.end(`app ${request.url} ${String(request.headers['x-edge'] ?? '')}`)
      if (request.url === '/slow') setTimeout(answer, 400)
      else answer()
    })
    stack = await startStack({ app, config: 'secrets: { users: { ada: the first one } }' })
    const { config } = stack
    store = await openStore(config.store)
    keys = await Keys.open({ storePath: config.store.path, env: {} })
    desk = new EdgeDesk({ store, keys, config, author: AUTHOR })
  })
  after(async () => {
    await store.close()
    await stack.close()
  })

  const statusOf = async (host: string, path = '/', headers = {}): Promise<string> => {
    const { status, body, headers: got } = await ask(stack.port, { host, path, headers })
    return `${status} ${String(got['sallyport-error-code'] ?? body)}`
  }
  const becomes = (host: string, wanted: string, path = '/', headers = {}): Promise<void> =>
    until(`${host} gives ${wanted}`, async () => (await statusOf(host, path, headers)) === wanted)
  const problemsOf = async (spec: EdgeSpec): Promise<string[]> => {
    const error: unknown = await desk.put(spec).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof Error && 'problems' in error, 'it is refused')
    return (error.problems as { path: string; message: string }[]).map(({ path, message }) => `${path}: ${message}`)
  }

  it('serves an edge as soon as it is written, with its policy, and no longer when it is deleted', async () => {
    assert.equal(await statusOf('docs.localhost'), '404 ERR_EDGE_NOT_FOUND')
    const policy = {
      on_http_request: [
        { expressions: ["req.url.path == '/no'"], actions: [{ type: 'deny' }] },
        { actions: [{ type: 'set-headers', config: { headers: { 'x-edge': 'docs' } } }] },
      ],
    }
    const { action, edge } = await desk.put({ id: 'edg_docs', hosts: ['docs.localhost'], ...BACKEND, policy })
    assert.equal(action, 'create')
    assert.equal(edge?.version, 1)
    await becomes('docs.localhost', '200 app / docs')
    assert.equal(await statusOf('docs.localhost', '/no'), '403 ERR_DENIED')
    await desk.remove('edg_docs')
    await becomes('docs.localhost', '404 ERR_EDGE_NOT_FOUND')
    assert.equal((await desk.restore('edg_docs', 1)).edge?.version, 2)
    await becomes('docs.localhost', '200 app / docs')
  })

  it('drops no request when an edge changes under it', async () => {
    await desk.put({ id: 'edg_busy', hosts: ['busy.localhost'], ...BACKEND })
    await becomes('busy.localhost', '200 app / ')
    const slow = statusOf('busy.localhost', '/slow')
    await sleep(100)
    let failed = 0
    for (let turn = 0; turn < 10; turn++) {
      await desk.put({ id: 'edg_busy', hosts: ['busy.localhost'], description: `version ${turn}`, ...BACKEND })
      if ((await statusOf('busy.localhost')) !== '200 app / ') failed++
    }
    assert.equal(failed, 0)
    await desk.remove('edg_busy')
    await becomes('busy.localhost', '404 ERR_EDGE_NOT_FOUND')
    assert.equal(await slow, '200 app /slow ', 'what is under way finishes on the edge on which it began')
  })

  it('seals secrets, shows marks, keeps a secret by its mark, and only beside the same recipient', async () => {
    const withPassword = (credential: unknown): EdgeSpec => ({
      id: 'edg_key',
      hosts: ['key.localhost'],
      ...BACKEND,
      policy: { on_http_request: [{ actions: [{ type: 'basic-auth', config: { credentials: [credential] } }] }] },
    })
    const { edge } = await desk.put(withPassword('ada:lovelace1815'))
    const basic = { authorization: `Basic ${Buffer.from('ada:lovelace1815').toString('base64')}` }
    await becomes('key.localhost', '200 app / ', '/', basic)
    assert.equal(await statusOf('key.localhost'), '401 ERR_CREDENTIALS_REQUIRED')
    const shown = JSON.stringify(edge)
    assert.doesNotMatch(shown, /lovelace/)
    const rows = await Promise.all(
      ['edge', 'edge_history', 'audit'].map((bucket) => store.bucket(bucket, (value) => value).page({ limit: 100 })),
    )
    assert.doesNotMatch(JSON.stringify(rows), /lovelace/, 'in no row of the store')
    const [mark] = JSON.parse(/"credentials":(\[.*?\])/.exec(shown)?.[1] ?? '[]') as unknown[]
    assert.deepEqual(Object.keys(mark as object), ['secret', 'fingerprint', 'user'])
    const kept = await desk.put({ ...withPassword(mark), description: 'with a mark' })
    assert.deepEqual(
      kept.changes.map(({ path }) => path),
      [['description']],
    )
    await sleep(300)
    assert.equal(await statusOf('key.localhost', '/', basic), '200 app / ', 'the secret is still the same')
    const signIn = (issuer: string, secret: unknown): EdgeSpec => ({
      id: 'edg_oidc',
      hosts: ['oidc.localhost'],
      policy: {
        on_http_request: [
          {
            actions: [
              {
                type: 'openid-connect',
                config: { issuer_url: issuer, client_id: 'sallyport', client_secret: secret },
              },
            ],
          },
        ],
      },
    })
    const made = await desk.put(signIn('https://login.example.com', 'a secret of the provider'))
    const secret = { secret: 'set', fingerprint: /"fingerprint":"(\w+)"/.exec(JSON.stringify(made.edge))?.[1] }
    assert.equal((await desk.put(signIn('https://login.example.com', secret))).action, 'nothing')
    assert.match(
      (await problemsOf(signIn('https://evil.example.net', secret))).join('\n'),
      /^edg_oidc policy\.on_http_request\[0\]\.actions\[0\]\.config\.client_secret: is the mark of a secret that this edge does not have beside the same recipient/m,
    )
  })

  it('refuses what only relay.yml may have, and hosts and ids of others, all at once', async () => {
    await desk.put({ id: 'edg_first', hosts: ['first.localhost'] })
    assert.deepEqual(
      await problemsOf({
        id: 'edg_second',
        hosts: ['relay.localhost'],
        pages: { logo_file: '/etc/passwd' },
        policy: {
          on_http_request: [
            {
              actions: [
                {
                  type: 'openid-connect',
                  config: { issuer_url: 'https://login.example.com', client_id: 'x', client_key: { file: '/etc/key' } },
                },
              ],
            },
          ],
        },
      }),
      [
        'edg_second hosts[0]: relay.localhost is the host of public_url, which belongs to the relay; choose another host',
        'edg_second pages.logo_file: is possible only in relay.yml',
        'edg_second policy.on_http_request[0].actions[0].config.client_key: is possible only in relay.yml',
      ],
    )
    assert.deepEqual(await problemsOf({ id: 'edg_second', hosts: ['app.localhost', 'first.localhost'] }), [
      'edg_second hosts[0]: app.localhost belongs to edg_app of relay.yml',
      'edg_second hosts[1]: first.localhost already leads to edg_first; a host can lead to one edge only',
    ])
    assert.deepEqual(await problemsOf({ id: 'edg_app', hosts: ['other.localhost'] }), [
      'edg_app: is an edge of relay.yml; change it there, or give this one another id',
    ])
    const literal = await desk.put({ id: 'edg_env', hosts: ['env.localhost'], description: '${PATH}' })
    assert.equal(literal.edge?.spec['description'], '${PATH}', 'the environment of the relay means nothing')
  })

  it('lets one of two editors through, and one of two edges have a host', async () => {
    const { edge } = await desk.put({ id: 'edg_two', hosts: ['two.localhost'] })
    const expectedRevision = edge?.revision ?? 0
    const change = (description: string): Promise<unknown> =>
      desk.put({ id: 'edg_two', hosts: ['two.localhost'], description }, { expectedRevision })
    const results = await Promise.allSettled([change('Ada'), change('Grace')])
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    const lost = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult
    assert.ok(lost.reason instanceof EdgeConflict)
    const race = await Promise.allSettled(
      ['edg_race1', 'edg_race2'].map((id) => desk.put({ id, hosts: ['race.localhost'] })),
    )
    assert.deepEqual(race.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  })

  it('keeps the host of an edge that is disabled or cannot be read, and says so; 404 never', async () => {
    const spec = { id: 'edg_odd', hosts: ['odd.localhost'], ...BACKEND }
    await desk.put(spec)
    await becomes('odd.localhost', '200 app / ')
    const states = (): unknown => {
      const edges = stack.relay.answer({ of: 'edges', after: '', limit: 100 }) as {
        id: string
        source: object
        status: object
      }[]
      return edges.flatMap(({ id, source, status }) => (id === 'edg_odd' ? [source, status] : []))
    }
    await desk.setDisabled('edg_odd', true)
    await becomes('odd.localhost', '503 ERR_EDGE_DISABLED')
    assert.deepEqual(states(), [{ kind: 'store' }, { state: 'disabled', tunnels: { online: 0, unhealthy: 0 } }])
    await desk.setDisabled('edg_odd', false)
    await becomes('odd.localhost', '200 app / ')
    const rows = store.bucket('edge', (value) => value as Record<string, unknown>)
    const good = await rows.get('edg_odd')
    for (const bad of [
      { ...good?.value, spec: { ...spec, of_a_newer_version: true } },
      { ...good?.value, spec: 'not an edge' },
      { nothing: 'of ours' },
    ]) {
      await rows.put('edg_odd', bad)
      await becomes('odd.localhost', '503 ERR_EDGE_BROKEN')
      await rows.put('edg_odd', good?.value ?? {})
      await becomes('odd.localhost', '200 app / ')
    }
    assert.ok(
      stack.log.some((line) => /"edgeId":"edg_odd".*of_a_newer_version/.test(line)),
      'the log says why',
    )
  })

  it('lets relay.yml win over a stored edge of its id, and gives it back', async () => {
    const { config, relay } = stack
    await desk.put({ id: 'edg_both', hosts: ['both.localhost'], ...BACKEND })
    await becomes('both.localhost', '200 app / ')
    const [ofFile] = config.edges
    assert.ok(ofFile)
    await relay.reload({ ...config, edges: [ofFile, { ...ofFile, id: 'edg_both', hosts: ['file.localhost'] }] })
    assert.equal(await statusOf('file.localhost'), '200 app / ')
    assert.equal(await statusOf('both.localhost'), '404 ERR_EDGE_NOT_FOUND')
    await relay.reload(config)
    assert.equal(await statusOf('both.localhost'), '200 app / ')
    assert.equal(await statusOf('file.localhost'), '404 ERR_EDGE_NOT_FOUND')
  })

  it('reads secrets of relay.yml in its credentials, and those of the next relay.yml after a reload', async () => {
    const credentials = ["ada:${secrets.get('users', 'ada')}"]
    const policy = { on_http_request: [{ actions: [{ type: 'basic-auth', config: { credentials } }] }] }
    await desk.put({ id: 'edg_vault', hosts: ['vault.localhost'], ...BACKEND, policy })
    const login = (password: string) => ({
      authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`,
    })
    const passes = async (password: string): Promise<boolean> =>
      (await statusOf('vault.localhost', '/', login(password))) === '200 app / '
    await becomes('vault.localhost', '200 app / ', '/', login('the first one'))
    assert.equal(await passes('the second one'), false)
    const secrets = new Map([['users', new Map([['ada', new Secret('the second one')]])]])
    await stack.relay.reload({ ...stack.config, secrets })
    assert.deepEqual([await passes('the first one'), await passes('the second one')], [false, true])
    await stack.relay.reload(stack.config)
    assert.deepEqual([await passes('the first one'), await passes('the second one')], [true, false])
  })

  it('keeps twenty versions of an edge, and an audit entry for each change', async () => {
    for (let turn = 0; turn < 25; turn++) {
      await desk.put({ id: 'edg_many', hosts: ['many.localhost'], description: `turn ${turn}` })
    }
    const history = await desk.history('edg_many')
    assert.deepEqual([history.length, history[0]?.version, history.at(-1)?.version], [20, 5, 24])
    const audit = await store.bucket('audit', (value) => value as Record<string, unknown>).page({ limit: 1000 })
    const entries = audit.entries
      .map(({ value }) => value)
      .filter((entry) => JSON.stringify(entry).includes('edg_many'))
    assert.equal(entries.length, 25)
    assert.deepEqual(entries.at(-1), {
      time: entries.at(-1)?.['time'],
      ...AUTHOR,
      action: 'edge.update',
      target: { kind: 'edge', id: 'edg_many', name: 'turn 24' },
      version: 25,
      changes: [{ path: ['description'], from: 'turn 23', to: 'turn 24' }],
    })
  })
})
