// `npm run test:long`: the tests that `npm test` runs with a small sample, at length: the fuzzers, the comparison of
// our parsers with Node's, answers to visitors who are still uploading, and independent programs. New cases each time;
// the seed is printed. An argument says how many times to play the sample. And once the tests that `npm test` skips:
// the sign-in with Ory Hydra if it is not built, the packages as people install them, and the picture of the README.

import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

import { buildHydra, findHydra } from '../test/support/programs/hydra.ts'

const root = join(import.meta.dirname, '..')
const ROUNDS = 40 // about ten minutes on two cores, 88 000 cases
const DEADLINE_MINUTES_PER_ROUND = 0.5 // of one file; three times the slowest one's time
const LEAST_MINUTES = 15 // the installed packages take seven minutes, for any size of the sample
const DIFFERENTIAL_SHARE = 2.5 // its sample is larger
const INTEROP_SHARE = 10 // as those are
const SWAPS_PER_ROUND = 250 // of edges, so that it comes to ten thousand

const [argument] = process.argv.slice(2)
const rounds = argument === undefined ? ROUNDS : Number(argument)
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error('npm run test:long -- ROUNDS: how many times the sample of npm test is played, 1 or more')
  process.exit(2)
}
const seed = Number(process.env.SALLYPORT_FUZZ_SEED ?? Date.now() % 1_000_000_000)
const minutes = Math.max(LEAST_MINUTES, Math.ceil(rounds * DEADLINE_MINUTES_PER_ROUND))
console.error(
  `${rounds} rounds with SALLYPORT_FUZZ_SEED=${seed}; a file that takes more than ${minutes} minutes has failed`,
)

if (!findHydra()) await buildHydra((line) => console.error(line))

const files = [
  ...globSync('test/fuzz/*.test.ts', { cwd: root }).toSorted(),
  'test/in-process/differential.test.ts',
  'test/in-process/early-answers.test.ts',
  'test/in-process/swapping-edges.test.ts',
  'test/install/install.test.ts',
  'test/interop/haproxy.test.ts',
  'test/interop/hydra.test.ts',
  'test/interop/mosquitto.test.ts',
  'test/interop/nginx.test.ts',
  'test/readme-picture.test.ts',
]
const timeout = `--test-timeout=${minutes * 60_000}`
const child = spawn(process.execPath, ['--test', '--test-reporter=spec', '--test-concurrency=1', timeout, ...files], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    SALLYPORT_README_PICTURE: 'make',
    SALLYPORT_TEST_INSTALL: '1',
    SALLYPORT_FUZZ_SEED: String(seed),
    SALLYPORT_FUZZ_ROUNDS: String(rounds),
    SALLYPORT_EARLY_ANSWERS: String(5 * rounds),
    SALLYPORT_SWAPS: String(SWAPS_PER_ROUND * rounds),
    SALLYPORT_INTEROP_ROUNDS: String(Math.ceil(rounds / INTEROP_SHARE)),
    SALLYPORT_DIFFERENTIAL: `${seed},${Math.ceil(rounds / DIFFERENTIAL_SHARE)}`,
  },
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
