// Lays the packages out as their users get them: built, with the manifest that publishing writes, and the dependencies
// that are installed here. So the benchmark measures the code that people run, not the sources with types in them.

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')

export interface Published {
  relay: string
  agent: string
}

/** Builds into `folder`. Returns the files of the two commands. */
export function publishInto(folder: string): Published {
  execFileSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: 'ignore' })
  for (const name of ['protocol', 'server', 'agent']) lay(name, join(folder, name), join(folder, 'protocol'))
  return { relay: join(folder, 'server/dist/main.js'), agent: join(folder, 'agent/dist/main.js') }
}

function lay(name: string, target: string, protocol: string): void {
  const source = join(root, 'packages', name)
  mkdirSync(join(target, 'node_modules'), { recursive: true })
  cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true })
  const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Record<string, unknown> // ours
  writeFileSync(join(target, 'package.json'), JSON.stringify({ ...manifest, ...(manifest.publishConfig as object) })) // ours
  for (const dependency of dependenciesOf(source)) {
    const link = join(target, 'node_modules', dependency)
    mkdirSync(dirname(link), { recursive: true })
    const isProtocol = dependency === '@sallyport/protocol'
    symlinkSync(isProtocol ? protocol : realpathSync(join(source, 'node_modules', dependency)), link)
  }
}

function dependenciesOf(source: string): string[] {
  const folder = join(source, 'node_modules')
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(folder, name)).map((each) => `${name}/${each}`) : [name],
    )
    .filter((name) => existsSync(join(folder, name)))
}
