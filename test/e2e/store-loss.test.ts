// The store's file is deleted, moved or replaced under a running relay: no change is acknowledged unless it is kept,
// signed-in visitors stay signed in, and the operator is told once. Real processes, alone and with workers.

import assert from 'node:assert/strict'
import { copyFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'

import { Processes, RELAY } from '../support/processes.ts'
import { signIn } from '../support/sign-in.ts'

const HOST = 'app.localhost'

// Both at once: they mostly wait, for checks once a second and for ten seconds without a problem.
describe('stores', { concurrency: true }, () => {
  for (const workers of [1, 2]) {
    describe(
      `a store that is no longer there, ${workers} process(es)`,
      { timeout: 120_000, concurrency: false },
      () => {
        let processes: Processes
        let url: string
        let file: string

        before(async () => {
          processes = await Processes.create()
          await processes.startProvider()
          const backend = { fixed_response: { status: 200, body: 'inside' } }
          await processes.startRelay({
            edges: [{ id: 'edg_app', hosts: [HOST], backend, policy: processes.signIn() }],
            config: { workers },
          })
          url = `${processes.origin(HOST)}/`
          file = join(processes.folder, 'relay.db')
        })
        after(() => processes.close())

        const readyz = async (): Promise<string> => {
          const answer = await fetch(`${processes.adminUrl}/readyz`)
          return `${answer.status} ${(await answer.text()).trim()}`
        }
        const untilReadyz = async (expected: RegExp): Promise<void> => {
          const deadline = performance.now() + 10_000
          for (;;) {
            const said = await readyz()
            if (expected.test(said)) return
            assert.ok(performance.now() < deadline, `still: ${said}`)
            await delay(100)
          }
        }
        const storeHealthy = async (): Promise<string | undefined> => {
          const metrics = await (await fetch(`${processes.adminUrl}/metrics`)).text()
          return /^sallyport_store_healthy (\d)$/m.exec(metrics)?.[1]
        }
        const problems = (message: string): unknown[] => processes.relay.entries.filter(({ msg }) => msg === message)

        it('wrong 1: is reported; sign-ins get 503, sessions continue, and it ends when the file is back', async () => {
          const visitor = await signIn(url)
          assert.equal(await readyz(), '200 ready')
          await rename(file, `${file}.away`)
          await assert.rejects(signIn(url), /signed in, and back: 503[^]*ERR_STORE_UNAVAILABLE/)
          await untilReadyz(/^503 .*relay\.db was deleted or moved away/)
          assert.equal(await storeHealthy(), '0')
          assert.equal((await visitor.open(url)).body, 'inside')

          const create = [RELAY, 'authtoken', 'create', '--config', processes.configFile]
          const refused = await processes.run(create)
          assert.equal(refused.code, 2)
          assert.match(refused.stderr, /relay\.db is not there, but .*-wal and .*-shm are/)
          for (const suffix of ['-wal', '-shm']) await rename(`${file}${suffix}`, `${file}.away${suffix}`)
          const made = await processes.run(create)
          assert.equal(made.code, 0, made.stderr)
          assert.match(made.stderr, /There was no .*relay\.db any more; a new one was made/)
          await untilReadyz(/^503 another file was put in the place/)

          for (const suffix of ['-wal', '-shm', '']) await rename(`${file}.away${suffix}`, `${file}${suffix}`)
          await untilReadyz(/^200 ready/)
          await processes.relay.waitForEntry('store problem has ended', ({ problem }) =>
            /another file/.test(String(problem)),
          )
          await processes.relay.waitFor(
            'the lines of all processes',
            () => problems('store problem has ended')[workers - 1],
          )
          // Each process looks once a second: on a busy machine one may not have seen the state in between.
          const told = problems('store problem').length
          assert.ok(told >= workers && told <= 2 * workers, `${told} lines: one for each state and process at most`)
          assert.equal(await storeHealthy(), '1')
          const later = await signIn(url)
          processes.relay.kill('SIGKILL')
          await processes.relay.exited
          await processes.restartRelay()
          for (const one of [visitor, later]) assert.equal((await one.open(url)).body, 'inside')
        })

        it('wrong 1: a sign-out that cannot be kept says so', async () => {
          const visitor = await signIn(url)
          await rename(file, `${file}.away`)
          await copyFile(`${file}.away`, file)
          const page = await visitor.submit(await visitor.open(`${url}.sallyport/logout`))
          assert.equal(page.status, 503)
          assert.match(page.body, /could not be saved/)
          assert.notEqual((await visitor.visit(url)).body, 'inside')
          await rename(`${file}.away`, file)
          await untilReadyz(/^200/)
        })
      },
    )
  }
})
