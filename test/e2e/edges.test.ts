// `relay edge …` beside a relay with two workers: from nothing to a served edge by the commands as they are printed
// (issue 15, control plane A).

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'

import { ask } from '../support/ask.ts'
import { Processes, RELAY, type Finished } from '../support/processes.ts'
import { until } from '../support/until.ts'

describe('relay edge, beside a relay of two workers (control plane, A)', { timeout: 120_000 }, () => {
  let processes: Processes
  let app: Server

  before(async () => {
    app = createServer((_, response) => void response.end('the app'))
    app.listen(0, '127.0.0.1')
    await once(app, 'listening')
    processes = await Processes.create()
    await processes.startRelay({
      edges: [
        { id: 'edg_file', hosts: ['file.localhost'], backend: { fixed_response: { status: 200, body: 'file' } } },
      ],
      config: { workers: 2 },
    })
  })
  after(async () => {
    await processes.close()
    app.close()
  })

  const relay = (...args: string[]): Promise<Finished> =>
    processes.run([RELAY, ...args, '--config', processes.configFile])
  const good = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await relay(...args)
    assert.equal(code, 0, stderr)
    return stdout
  }
  /** Each on a connection of its own, so that both workers answer. */
  const answers = async (host: string): Promise<Set<string>> => {
    const all = await Promise.all(Array.from({ length: 12 }, () => ask(processes.port, { host })))
    return new Set(
      all.map(({ status, body, headers }) => `${status} ${String(headers['sallyport-error-code'] ?? body)}`),
    )
  }
  const becomes = (host: string, wanted: string): Promise<void> =>
    until(`${host} gives ${wanted} at all workers`, async () => {
      const got = await answers(host)
      return got.size === 1 && got.has(wanted)
    })

  it('goes from nothing to a served edge, by what the commands print', async () => {
    const made = await good('edge', 'create', '--id', 'edg_shop', '--host', 'shop.localhost', '--description', 'Shop')
    assert.match(made, /^It serves http:\/\/shop\.localhost:\d+$/m)
    assert.match(made, /^ {2}relay edge set edg_shop --open$/m)
    const [, label = ''] = /agent tunnel --label (\S+) http/.exec(made) ?? []
    const authtoken = await processes.createAuthtoken('bind:*')
    const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
    await processes.startAgent({ authtoken, labels: [label], upstream, name: 'shop' })
    await becomes('shop.localhost', '403 ERR_DENIED')
    const opened = await relay('edge', 'set', 'edg_shop', '--open')
    assert.match(opened.stderr, /^Saved, and in use by all 2 workers\.$/m)
    assert.deepEqual([...(await answers('shop.localhost'))], ['200 the app'], 'as it says')
    const list = await good('edge', 'list')
    assert.match(list, /^edg_file +file\.localhost +relay\.yml/m)
    assert.match(list, /^edg_shop +shop\.localhost +store +version 2 .* Shop$/m)
    const signIn = await good('edge', 'set', 'edg_shop', '--oidc-issuer', 'https://login.example.com', '--oidc-client-id', 'x', '--oidc-client-secret', 'a secret') // prettier-ignore
    assert.match(
      signIn,
      /redirect URI at https:\/\/login\.example\.com:\n {2}http:\/\/relay\.localhost:\d+\/oidc\/callback\//,
    )
    assert.doesNotMatch(signIn, /a secret"/)
    await becomes('shop.localhost', '401 ERR_SIGN_IN_REQUIRED')
    await good('edge', 'disable', 'edg_shop')
    assert.match(await good('status'), /^edg_shop .*\n {2}disabled: nobody can visit it; relay edge enable edg_shop$/m)
    await good('edge', 'restore', 'edg_shop', '2')
    await becomes('shop.localhost', '200 the app')
  })

  it('applies a folder, shows the difference before, prunes its own alone, and tells all problems at once', async () => {
    const folder = join(processes.folder, 'edges')
    const file = join(folder, 'a.yml')
    await mkdir(folder)
    const write = (edges: object[]): Promise<void> => writeFile(file, JSON.stringify({ edges }))
    const fixed = (name: string, body: string): object => ({
      id: `edg_${name}`,
      hosts: [`${name}.localhost`],
      backend: { fixed_response: { status: 200, body } },
    })
    const apply = (...args: string[]): Promise<Finished> =>
      relay('edge', 'apply', '-f', folder, '--owner', 'git', ...args)
    await write([fixed('one', 'first'), fixed('two', 'first')])
    const dry = await apply('--dry-run')
    assert.match(dry.stdout, /^edg_one: new/m)
    assert.match(dry.stderr, /^2 made\. Nothing was written: this is a dry run\.$/m)
    await apply()
    await becomes('one.localhost', '200 first')
    await write([fixed('one', 'second'), { ...fixed('three', 'x'), hosts: ['shop.localhost'], polcy: {} }])
    const refused = await apply('--prune')
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /edges\[1\]: edg_three polcy: there is no such key; did you mean policy\?$/m)
    assert.deepEqual([...(await answers('two.localhost'))], ['200 first'], 'nothing was written')
    await write([fixed('one', 'second')])
    const pruned = await apply('--prune')
    assert.match(pruned.stdout, /^ {2}~ backend\.fixed_response\.body: "first" → "second"$/m)
    assert.match(pruned.stderr, /^1 changed, 1 deleted\.\nSaved, and no longer used by all 2 workers\.\nSaved, and in use by all 2 workers\.$/m) // prettier-ignore
    assert.deepEqual([...(await answers('one.localhost'))], ['200 second'])
    assert.deepEqual([...(await answers('two.localhost'))], ['404 ERR_EDGE_NOT_FOUND'])
    await becomes('shop.localhost', '200 the app') // not of this owner
    const exported = await good('edge', 'export')
    assert.match(exported, /id: edg_one[^]*id: edg_shop/)
    assert.match(await good('audit', 'list', '--limit', '2'), /\(cli\) +edge\.(?:update|delete) +edg_/)
  })

  it('answers what is wrong with exit code 2, and leaves nothing half done', async () => {
    for (const [args, problem] of [
      [['edge', 'get', 'edg_none'], 'edg_none: there is no such edge in the store; see: relay edge list'],
      [
        ['edge', 'create', '--id', 'edg_file'],
        'edg_file: is an edge of relay.yml; change it there, or give this one another id',
      ],
      [['edge', 'create', '--id', 'edg_shop'], '--id: there is an edge edg_shop already; see: relay edge get edg_shop'],
      [['edge', 'create', '--host', 'file.localhost'], 'hosts[0]: file.localhost belongs to edg_file of relay.yml'],
      [['edge', 'create', '--allow-email', 'a@b.example'], '--allow-email: needs --oidc-issuer'],
      [['edge', 'restore', 'edg_shop', '99'], 'edg_shop version 99: is not kept; see: relay edge history edg_shop'],
    ] as const) {
      const { code, stderr } = await relay(...args)
      assert.equal(code, 2, args.join(' '))
      assert.ok(stderr.includes(problem), stderr)
    }
    assert.doesNotMatch(await readFile(join(processes.folder, 'relay.db'), 'latin1').catch(() => ''), /a secret/)
  })
})
