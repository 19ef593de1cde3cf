// The types of the agent for programs that embed it. The bundle holds the protocol package, so its types must be here
// as well: those that the agent's types refer to, and none that would need a library.

import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

const SPECIFIER = /((?:import|export) (?:type )?(\{[^}]*\}|\*) from )'([^']+)';/g
const DECLARED = /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) (\w+)/gm

/**
 * Writes the types into a folder; their entry is `agent/agent.d.ts`.
 * @throws Error if they would refer to a library
 */
export function emitTypes(root: string, target: string): void {
  const emitted = `${target}-of-all`
  for (const name of ['agent', 'protocol']) emit(root, name, join(emitted, name))
  const done = new Set<string>()
  const copy = (path: string): void => {
    if (done.has(path)) return
    done.add(path)
    const text = readFileSync(path, 'utf8').replaceAll(SPECIFIER, (line, start: string, names: string, to: string) => {
      if (to.startsWith('node:')) return line
      const found = to.startsWith('.') ? join(dirname(path), declarationOf(to)) : protocolFile(emitted, names, to, path)
      copy(found)
      return `${start}'${withDot(relative(dirname(path), found)).replace(/\.d\.ts$/, '.js')}';`
    })
    const place = join(target, relative(emitted, path))
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, text)
  }
  copy(join(emitted, 'agent/agent.d.ts'))
  rmSync(emitted, { recursive: true })
}

function emit(root: string, name: string, outDir: string): void {
  const project = join(root, 'packages', name, 'tsconfig.json')
  const flags = ['-p', project, '--emitDeclarationOnly', '--stripInternal', '--outDir', outDir]
  const { status } = spawnSync(join(root, 'node_modules/.bin/tsc'), flags, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(1)
}

/**
 * The file of the protocol package that declares these names. protocol.ts exports them all, but some of its files
 * import libraries.
 */
function protocolFile(emitted: string, names: string, specifier: string, from: string): string {
  const lost = `types of the agent lead from ${relative(emitted, from)} to ${names} of ${specifier}, which is not in its package; put what they need into a file that names nothing of it, as src/plan/agent-options.ts`
  const [isProtocol, door] = /^@sallyport\/protocol(?:\/([\w-]+))?$/.exec(specifier) ?? []
  if (isProtocol === undefined) throw new Error(lost)
  const folder = join(emitted, 'protocol')
  const files = globSync('**/*.d.ts', { cwd: folder }).map((file) => join(folder, file))
  const wanted = names.replaceAll(/[{}\s]|\btype\b/g, '').split(',')
  const found = files.find((file) => {
    if (door !== undefined) return basename(file) === `${door}.d.ts`
    const declared = new Set([...readFileSync(file, 'utf8').matchAll(DECLARED)].map(([, name]) => name))
    return wanted.every((name) => declared.has(name))
  })
  if (found === undefined) throw new Error(lost)
  return found
}

function declarationOf(specifier: string): string {
  return specifier.replace(/\.ts$/, '.d.ts')
}

function withDot(path: string): string {
  return path.startsWith('.') ? path : `./${path}`
}
