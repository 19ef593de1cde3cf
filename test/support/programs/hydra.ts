// Finds Ory Hydra for the interop test, and builds it from Go's module proxy for `npm run test:long`. That takes ten minutes
// the first time, so `npm test` only looks.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

const FOLDER = join(import.meta.dirname, '../../../node_modules/.cache/hydra')
const BUILT = join(FOLDER, 'hydra')
const BUILD_DEADLINE_MS = 30 * 60_000 // nine minutes on two busy cores
const VERSION_DEADLINE_MS = 10_000

// `go install` refuses a module with replace lines. They apply if a module of our own repeats them.
const GO_MOD = `module sallyport-hydra

go 1.22

require github.com/ory/hydra/v2 v2.3.0

replace github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b
`

/** @returns undefined if it is not installed */
export function findHydra(): string | undefined {
  const onPath = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const places = [process.env.SALLYPORT_TEST_HYDRA ?? '', BUILT, ...onPath.map((folder) => join(folder, 'hydra'))]
  return places.find((path) => path !== '' && existsSync(path) && isOrys(path))
}

/** Debian's package `hydra` is another program. */
function isOrys(path: string): boolean {
  const { stdout } = spawnSync(path, ['version'], { encoding: 'utf8', timeout: VERSION_DEADLINE_MS })
  return /^Git Hash:/m.test(stdout ?? '')
}

/** @param say called with the progress of the build, or the reason why it failed */
export async function buildHydra(say: (line: string) => void): Promise<void> {
  if (spawnSync('go', ['version']).status !== 0) return say('No Go, so no Ory Hydra is built for its interop test.')
  say('Building Ory Hydra with Go for its interop test (once, about ten minutes) …')
  await mkdir(FOLDER, { recursive: true })
  await writeFile(join(FOLDER, 'go.mod'), GO_MOD)
  const args = ['build', '-mod=mod', '-trimpath', '-tags', 'sqlite', '-o', BUILT, 'github.com/ory/hydra/v2']
  const { status, stderr } = spawnSync('go', args, { cwd: FOLDER, encoding: 'utf8', timeout: BUILD_DEADLINE_MS })
  if (status !== 0) say(`Ory Hydra cannot be built here: ${stderr.trim().split('\n').at(-1)}`)
}
