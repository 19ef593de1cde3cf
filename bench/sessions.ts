// The cost of many visitor sessions: fills a store with them, starts a relay on it and on an empty one, and compares
// memory and the time until the relay is ready. Usage: node bench/sessions.ts [COUNT], 100 000 by default.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { Keys } from '../packages/server/src/keys.ts'
import { createLog } from '../packages/server/src/log.ts'
import { Boxes } from '../packages/server/src/seal/boxes.ts'
import type { SessionRow } from '../packages/server/src/session/session-row.ts'
import { Sessions } from '../packages/server/src/session/sessions.ts'
import { openStore } from '../packages/server/src/store/open-store.ts'
import { residentBytes, start } from './processes.ts'

const RELAY = join(import.meta.dirname, '../packages/server/src/main.ts')
const ROUNDS = 3
const AT_ONCE = 500
const SETTLE_MS = 3000 // after this time, the garbage of the start has been collected, or it stays
const MIB = 1024 * 1024
const DAY_MS = 86_400_000

const count = Number(process.argv[2] ?? 100_000)
const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
try {
  await fill(join(folder, 'full.db'), count)
  console.log('store      ready after   memory')
  const before = await measure('empty')
  const after = await measure('full')
  const bytes = (after.bytes - before.bytes) / MIB
  const ms = after.ms - before.ms
  console.log(`${count} sessions: ${bytes.toFixed(0)} MiB more, ready ${ms.toFixed(0)} ms later`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** As sign-ins would: people with a name, an address and three groups, ID token and refresh token of common sizes. */
async function fill(path: string, sessions: number): Promise<void> {
  const keys = await Keys.open({ storePath: path, env: {} })
  const store = await openStore({ type: 'sqlite', path })
  const table = await Sessions.open({
    store,
    boxes: new Boxes(keys),
    clock: Date.now,
    log: createLog({ level: 'silent' }),
  })
  const idToken = randomBytes(900).toString('base64url')
  const refreshToken = randomBytes(400).toString('base64url')
  for (let made = 0; made < sessions; made += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, sessions - made) }, (_, index) => rowOf(made + index))
    await Promise.all(batch.map((row) => table.create(row, { idToken, refreshToken })))
  }
  await table.close()
  await store.close()
}

function rowOf(index: number): SessionRow {
  const now = Date.now()
  return {
    edge: `edg_${index % 10}`,
    auth_id: 'k3Jd83hs',
    issuer: 'https://login.example.com/realms/staff',
    client_id: 'sallyport',
    subject: randomBytes(16).toString('hex'),
    name: `Firstname${index} Lastname${index}`,
    email: `firstname${index}.lastname${index}@example.com`,
    groups: { groups: ['staff', `team-${index % 50}`, `site-${index % 7}`] },
    sid: randomBytes(16).toString('hex'),
    device: `Firefox ${100 + (index % 40)} on Linux`,
    address: `10.${index % 200}.${(index >> 8) % 200}.${index % 250}`,
    created: now - (index % 10_000),
    last_seen: now - (index % 1000),
    expires: now + 7 * DAY_MS,
    idle_ms: DAY_MS / 2,
    claims_at: now,
    fresh_ms: DAY_MS / 24,
  }
}

/** The best time and the smallest memory of several starts: other load on the machine only adds. */
async function measure(name: string): Promise<{ ms: number; bytes: number }> {
  const config = join(folder, `${name}.yml`)
  const settings = {
    domain: 'localhost',
    public_url: 'http://relay.localhost:1',
    listen: { http: '127.0.0.1:0', admin: '127.0.0.1:0' },
    store: `sqlite:${name}.db`,
    log: { format: 'json' },
    edges: [],
  }
  writeFileSync(config, JSON.stringify(settings))
  const best = { ms: Infinity, bytes: Infinity }
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now()
    const relay = await start('relay', [RELAY, 'start', '--config', config], (line) => line.includes('relay started'))
    const ms = performance.now() - begin
    await setTimeout(SETTLE_MS)
    const bytes = residentBytes(relay.pid)
    await relay.end()
    console.log(`${name.padEnd(8)} ${ms.toFixed(0).padStart(8)} ms ${(bytes / MIB).toFixed(0).padStart(6)} MiB`)
    if (ms < best.ms) best.ms = ms
    if (bytes < best.bytes) best.bytes = bytes
  }
  return best
}
