// Certificates that visitors refuse, or soon will: the answer of `relay check`, and that `relay start` still serves.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'

import { NO_OPENSSL } from '../support/certificate.ts'
import { Processes, RELAY, freePort } from '../support/processes.ts'

describe('first-hour 8: certificates', { timeout: 120_000 }, () => {
  let processes: Processes
  let hasOpenssl = true

  before(async () => {
    processes = await Processes.create({ scheme: 'https' })
    hasOpenssl = await makeCertificates()
  })
  after(() => processes.close())

  const file = (name: string): string => join(processes.folder, name)
  const certificate = (name: string): object => ({ cert_file: `${name}.crt`, key_file: `${name}.key` })

  it('check refuses an expired one, and warns of other problems for visitors', async (test) => {
    if (!hasOpenssl) return test.skip(NO_OPENSSL)
    const check = async (...names: string[]): ReturnType<Processes['run']> => {
      const text = `
domain: localhost
public_url: https://relay.localhost
listen: { https: 127.0.0.1:0 }
tls:
  certificates:
${names.map((name) => `    - { cert_file: ${name}.crt, key_file: ${name}.key }`).join('\n')}
edges:
  - id: edg_app
    hosts: [app.localhost, a.b.localhost]
`
      await writeFile(processes.configFile, text)
      return processes.run([RELAY, 'check', '--config', processes.configFile])
    }
    const expired = await check('old')
    assert.deepEqual([expired.code, expired.stdout], [2, ''])
    assert.equal(
      expired.stderr,
      `Warning: edges[0].hosts[1]: no certificate is for a.b.localhost (*.localhost covers only one label), so browsers warn of it; add one under tls.certificates (line 10)
The configuration has a problem:
  tls.certificates[0].cert_file: ${file('old.crt')} expired on 2020-01-02; visitors and agents refuse it. Renew it: a running relay takes the new file by itself (line 7)`,
    )
    const future = await check('future')
    assert.equal(future.code, 2)
    assert.match(future.stderr, /future\.crt is not valid before 2045-01-01; .* \(line 7\)/)
    const ending = await check('ending')
    assert.deepEqual([ending.code, ending.stdout], [0, `${processes.configFile}: fine, 1 edge, 2 warnings.`])
    assert.match(
      ending.stderr,
      /^Warning: tls\.certificates\[0\]\.cert_file: .*\/ending\.crt expires on \d{4}-\d\d-\d\d, in 9 days; renew it: .* \(line 7\)\nWarning: edges/,
    )
  })

  it('start warns, keeps serving, and reports the end of each in a metric, with and without workers', async (test) => {
    if (!hasOpenssl) return test.skip(NO_OPENSSL)
    for (const workers of [1, 2]) {
      const port = await freePort()
      const edges = [{ id: 'edg_app', hosts: ['app.localhost'] }]
      const relay = await processes.startRelay({
        edges,
        config: {
          public_url: `https://relay.localhost:${port}`,
          listen: { https: `127.0.0.1:${port}`, admin: '127.0.0.1:0' },
          tls: { certificates: [certificate('old'), certificate('ending')] },
          workers,
        },
      })
      await relay.waitForEntry('certificates need a look')
      const said = relay.entries.filter(({ msg }) => /visitors refuse|need a look/.test(String(msg)))
      assert.deepEqual(
        said.map(({ level, msg, key }) => [level, msg, key]),
        [
          [50, 'visitors refuse a certificate', 'tls.certificates[0].cert_file'],
          [40, 'certificates need a look', 'tls.certificates[1].cert_file'],
        ],
        'once, not from every worker',
      )
      assert.equal(await statusAt(port), 503, 'no tunnel is online')
      const metrics = await (await fetch(`${processes.adminUrl}/metrics`)).text()
      const end = Date.parse('2020-01-02T00:00:00Z') / 1000
      assert.ok(
        metrics.includes(`sallyport_certificate_expiry_timestamp_seconds{file="${file('old.crt')}"} ${end}\n`),
        metrics,
      )
      relay.kill('SIGTERM')
      await relay.exited
    }
  })

  /** As a visitor who does not verify the certificate. */
  async function statusAt(port: number): Promise<number | undefined> {
    const host = `app.localhost:${port}`
    const request = get({ host: '127.0.0.1', port, headers: { host }, agent: false, rejectUnauthorized: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    response.resume()
    return response.statusCode
  }

  /** `openssl req` cannot set a beginning, nor an end in the past. @returns false without openssl */
  async function makeCertificates(): Promise<boolean> {
    const inDays = (days: number): string =>
      new Date(Date.now() + days * 86_400_000).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
    await writeFile(
      file('ca.cnf'),
      `[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:relay.localhost, DNS:*.localhost
`,
    )
    await writeFile(file('index.txt'), '')
    const openssl = (words: string): Promise<unknown> =>
      promisify(execFile)('openssl', words.split(' '), { cwd: processes.folder })
    try {
      for (const [name, from, to] of [
        ['old', '20200101000000Z', '20200102000000Z'],
        ['future', '20450101000000Z', '20460101000000Z'],
        ['ending', inDays(-50), inDays(9.5)],
      ] as const) {
        await openssl(
          `req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`,
        )
        await openssl(
          `ca -batch -notext -config ca.cnf -selfsign -keyfile ${name}.key -in ${name}.csr -out ${name}.crt -startdate ${from} -enddate ${to}`,
        )
      }
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false // as execFile rejects
      throw error
    }
  }
})
