// relay.yml changes while the relay runs, alone and with workers: `relay reload` and SIGHUP load its edges; open exchanges
// continue, and a file with a problem changes nothing.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'

import { mmdbFile } from '../support/mmdb-file.ts'
import { Processes, RELAY } from '../support/processes.ts'
import { until } from '../support/until.ts'

interface Edge {
  id: string
  hosts: string[]
  backend: object
  policy?: object
}

interface Written {
  edges: Edge[]
  listen: object
  timeouts?: object
  secrets?: object
  region?: string
  geo?: object
  ip_lists?: object
}

const fixed = (name: string, body: string): Edge => ({
  id: `edg_${name}`,
  hosts: [`${name}.localhost`],
  backend: { fixed_response: { status: 200, body } },
})
const APP: Edge = { id: 'edg_app', hosts: ['app.localhost'], backend: { labels: { app: 'one' } } }
const ONLY_LETTERS = {
  on_http_request: [{ expressions: ["req.url.path.matches('[0-9]')"], actions: [{ type: 'deny' }] }],
}

for (const workers of [1, 2]) {
  describe(`relay reload, with ${workers === 1 ? 'one process' : 'two workers'}`, { timeout: 120_000 }, () => {
    let processes: Processes
    let app: Server
    /** The answer of the app that stays open over all reloads. */
    let held: ServerResponse
    let stream: IncomingMessage

    before(async () => {
      app = createServer((_, response) => {
        response.write('begun ')
        held = response
      })
      app.listen(0, '127.0.0.1')
      await once(app, 'listening')
      const upstream = `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
      processes = await Processes.create()
      await processes.startRelay({
        edges: [APP, fixed('docs', 'old'), { ...fixed('gone', 'still here'), policy: ONLY_LETTERS }],
        config: { workers },
      })
      const authtoken = await processes.createAuthtoken('bind:*')
      await processes.startAgent({ authtoken, labels: ['app=one'], upstream, name: 'app' })
      stream = await visit('app', '/stream')
      await once(stream, 'readable')
    })
    after(async () => {
      await processes.close()
      app.closeAllConnections()
      app.close()
    })

    it('loads the edges, and leaves equal ones and open exchanges alone', async () => {
      await edit((config) => {
        config.edges = [{ ...fixed('docs', 'new'), policy: ONLY_LETTERS }, APP, fixed('more', 'more')]
      })
      assert.equal(await body('docs'), 'old', 'not before it is asked for')
      const { code, stdout, stderr } = await reload()
      assert.deepEqual([code, stdout], [0, ''])
      assert.deepEqual(stderr.split('\n'), [
        'The edges of the configuration are in use.',
        '  added      edg_more',
        '  changed    edg_docs',
        '  removed    edg_gone',
        '  unchanged  1',
      ])
      for (let i = 0; i < 4; i++) {
        assert.deepEqual([await body('docs'), await body('more')], ['new', 'more'], 'in every worker')
        assert.match(await body('gone'), /ERR_EDGE_NOT_FOUND/)
        assert.match(await body('docs', '/1'), /ERR_DENIED|403/, 'expressions are compiled there as well')
      }
      assert.match((await reload()).stderr, /^No edge has changed \(3\)\.$/)
    })

    it('changes nothing for a file with problems, names them all, and is seen in the metrics', async () => {
      const whole = await readFile(processes.configFile, 'utf8')
      await edit((config) => {
        config.edges = [fixed('docs', 'newer'), { ...APP, hosts: ['docs.localhost'] }, { ...fixed('x', ''), id: 'x' }]
      })
      const { code, stderr } = await reload()
      assert.equal(code, 2)
      assert.match(
        stderr,
        /^The configuration was not taken over: it has \d problems\. The edges from before stay in use\.\n/,
      )
      assert.match(stderr, /edges\[2\]\.id: .*\(line \d+\)/)
      assert.match(stderr, /docs\.localhost/)
      assert.equal(await body('docs'), 'new')
      assert.equal(await metric('sallyport_config_last_reload_successful'), 0)
      await writeFile(processes.configFile, `${whole}: : [`)
      assert.match((await reload()).stderr, /line \d+/)
      await writeFile(processes.configFile, whole)
      assert.equal((await reload()).code, 0)
      assert.equal(await metric('sallyport_config_last_reload_successful'), 1)
      assert.equal(await metric('sallyport_edges\\{state="serving"\\}'), 3)
    })

    it('names the keys that count after a restart', async () => {
      await edit((config) => {
        config.listen = { ...config.listen, admin_hosts: ['relay.internal.example'] }
        config.timeouts = { drain_seconds: 7 }
        config.edges[2] = fixed('more', 'even more')
      })
      const { code, stderr } = await reload()
      assert.equal(code, 0)
      assert.match(stderr, /changed {4}edg_more\n/)
      assert.match(
        stderr,
        /\nOther keys have changed as well, and count after a restart: listen\.admin_hosts, timeouts\.drain_seconds$/,
      )
      assert.equal(await body('more'), 'even more')
    })

    it('loads secrets, even for unchanged edges', async () => {
      const tell = { type: 'custom-response', config: { body: "${secrets.get('shop', 'token')}" } }
      for (const [token, changes] of [
        ['first', /added {6}edg_told\n/],
        ['second', /^No edge has changed \(4\)\./],
      ] as const) {
        await edit((config) => {
          config.secrets = { shop: { token } }
          config.edges[3] = { ...fixed('told', ''), policy: { on_http_request: [{ actions: [tell] }] } }
        })
        const { code, stderr } = await reload()
        assert.equal(code, 0)
        assert.match(stderr, changes)
        assert.ok(!/restart:.*secrets/.test(stderr), stderr)
        for (let i = 0; i < 4; i++) assert.equal(await body('told'), token)
      }
    })

    it('keeps the counters of rate limits of edges that have changed (traffic policy, 14.7)', async () => {
      const limit = { name: 'few', capacity: 2, rate: '24h', bucket_key: ['conn.client_ip'] }
      const policy = { on_http_request: [{ actions: [{ type: 'rate-limit', config: limit }] }] }
      const limited = async (): Promise<number> => (await visit('limited')).statusCode ?? 0
      const asked: number[] = []
      for (const name of ['one', 'other']) {
        await edit((config) => {
          config.edges[4] = { ...fixed('limited', name), policy }
        })
        assert.equal((await reload()).code, 0)
        for (let i = 0; i < 2 * workers; i++) asked.push(await limited())
      }
      // Two workers may let twice the capacity through before they hear of each other.
      const first = asked.splice(0, 2 * workers)
      assert.ok(first.filter((status) => status === 200).length >= 2, first.join(' '))
      assert.ok(asked.length > 0 && asked.every((status) => status === 429), asked.join(' '))
    })

    it('takes databases, lists and the region over, for edges that stay as they are, too', async () => {
      const of = (name: string): string => join(dirname(processes.configFile), name)
      const countryIn = (iso_code: string): Buffer =>
        mmdbFile({ networks: { '127.0.0.0/8': { country: { iso_code } } } })
      await writeFile(of('de.mmdb'), countryIn('DE'))
      await writeFile(of('fr.mmdb'), countryIn('FR'))
      await writeFile(of('list.txt'), '127.0.0.0/8\n')
      const told = "${conn.server_region} ${conn.geo.country_code} ${conn.client_ip.categories.join(' ')}"
      const rules = [{ actions: [{ type: 'custom-response', config: { body: told } }] }]
      const place = async (region: string, city_file: string, lists: string[]) => {
        await edit((config) => {
          config.edges[5] = { ...fixed('place', ''), policy: { on_http_request: rules } }
          config.region = region
          config.geo = { city_file }
          config.ip_lists = Object.fromEntries(lists.map((name) => [name, 'list.txt']))
        })
        return reload()
      }
      const isEverywhere = async (expected: string): Promise<void> => {
        for (let i = 0; i < 4; i++) assert.equal(await body('place'), expected)
      }
      const first = await place('eu', 'de.mmdb', ['one'])
      assert.match(first.stderr, /added {6}edg_place\n[^]*\nPolicies have the new geo\.city_file, ip_lists, region\.\n/)
      await isEverywhere('eu DE one')
      const second = await place('us', 'fr.mmdb', ['one', 'other'])
      assert.match(
        second.stderr,
        /^No edge has changed \(6\)\.\nPolicies have the new geo\.city_file, ip_lists, region\.\n/,
      )
      assert.ok(!/restart:.*(geo|region|ip_lists)/.test(second.stderr), second.stderr)
      await isEverywhere('us FR one other')

      await writeFile(of('bad.mmdb'), 'nonsense')
      const broken = await place('de', 'bad.mmdb', ['one', 'third'])
      assert.equal(broken.code, 2)
      assert.match(broken.stderr, /\n {2}geo\.city_file: .*bad\.mmdb .*\(line \d+\)/)
      await isEverywhere('us FR one other')
      await place('us', 'fr.mmdb', ['one'])
      await isEverywhere('us FR one')
      if (workers === 1) return
      await writeFile(of('fr.mmdb'), countryIn('BE')) // each worker looks at its files every five seconds
      await until('a changed file is read by both', async () => {
        const bodies = await Promise.all(Array.from({ length: 8 }, () => body('place')))
        return bodies.every((each) => each === 'us BE one')
      })
    })

    it('does the same at SIGHUP', async () => {
      await edit((config) => {
        config.edges[2] = fixed('more', 'by signal')
      })
      const { relay } = processes
      const since = relay.lines.length
      relay.kill('SIGHUP')
      await relay.waitForEntry('the edges of relay.yml were taken over', undefined, since)
      assert.equal(await body('more'), 'by signal')
    })

    it('has cut no open exchange', async () => {
      held.end('and ended')
      assert.equal(await text(stream), 'begun and ended')
    })

    const reload = () => processes.run([RELAY, 'reload', '--config', processes.configFile])

    async function edit(change: (config: Written) => void): Promise<void> {
      const config = JSON.parse(await readFile(processes.configFile, 'utf8')) as Parameters<typeof change>[0] // as startRelay() wrote it
      change(config)
      await writeFile(processes.configFile, JSON.stringify(config, undefined, 2))
    }

    function visit(name: string, path = '/'): Promise<IncomingMessage> {
      const options = {
        host: '127.0.0.1',
        port: processes.port,
        path,
        agent: false,
        headers: { host: `${name}.localhost`, accept: 'application/json' },
      }
      return new Promise((resolve, reject) => get(options, resolve).once('error', reject))
    }

    async function body(name: string, path?: string): Promise<string> {
      return text(await visit(name, path))
    }

    async function metric(name: string): Promise<number> {
      const page = await (await fetch(`${processes.adminUrl}/metrics`)).text()
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1])
    }
  })
}
