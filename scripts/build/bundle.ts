// Builds one of our packages for installation: its entries, the protocol package and every library in a few files, so
// that people install exactly the code that the tests have run with, and nothing unused. See decision 28.

import { builtinModules } from 'node:module'

import { rolldown } from 'rolldown'

/** Optional, and part of no package of ours: their users work without them if they are not installed. */
const LEFT_OUT = /^(?:utf-8-validate|kerberos)$/
/** The native part: see native-masks.ts. */
const BESIDE = new Map([
  ['bufferutil', './bufferutil/index.cjs'],
  ['bufferutil/fallback', './bufferutil/fallback.cjs'],
])

/**
 * Writes a bundle into a folder.
 * @param folder of the package
 * @param entries names of files in `dist`, without `.js`, to sources in the package
 * @returns every file that went into it, by its path
 * @throws Error if an import cannot be resolved, or would be left to the machine that it is installed on
 */
export async function bundle(
  folder: string,
  dist: string,
  entries: Readonly<Record<string, string>>,
): Promise<string[]> {
  const build = await rolldown({
    cwd: folder,
    input: { ...entries },
    platform: 'node',
    external: LEFT_OUT,
    plugins: [
      {
        name: 'beside the bundle',
        resolveId: (name) => (BESIDE.has(name) ? { id: BESIDE.get(name) ?? name, external: true } : undefined),
      },
    ],
    onLog: (_level, { message }) => {
      throw new Error(`${folder}: ${message}`)
    },
  })
  // Not minified: a stack in a log should be readable for developers. All in one folder, because workers and threads
  // are found beside the file that starts them.
  const { output } = await build.write({
    dir: dist,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
  })
  await build.close()
  const own = new Set([...output.map(({ fileName }) => fileName), ...BESIDE.values()])
  const left = output
    .flatMap((file) => (file.type === 'chunk' ? [...file.imports, ...file.dynamicImports] : []))
    .filter((name) => !own.has(name) && !isBuiltin(name) && !LEFT_OUT.test(name))
  if (left.length > 0) throw new Error(`${folder}: the bundle would need ${[...new Set(left)].join(', ')}`)
  return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
}

function isBuiltin(name: string): boolean {
  return name.startsWith('node:') || builtinModules.includes(name)
}
