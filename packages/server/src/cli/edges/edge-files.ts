// Reads files of edges: one edge each, or a list under `edges:` as in relay.yml.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { YamlFile } from '@sallyport/protocol/yaml-file'

import { whyUnreadable } from '../../config/why-unreadable.ts'
import { ConfigError, type ConfigProblem } from '../../errors.ts'
import { child, isRecord } from '../../values/written-tree.ts'

interface WrittenEdge {
  readonly edge: unknown
  /** For sentences: the file, and the place in it if the file has several. */
  readonly source: string
}

/**
 * @param paths of files, or of folders whose `.yml` and `.yaml` files are read, in the order of their names
 * @throws ConfigError with every problem
 */
export async function readEdgeFiles(paths: readonly string[]): Promise<WrittenEdge[]> {
  const problems: ConfigProblem[] = []
  const edges: WrittenEdge[] = []
  for (const path of paths) {
    for (const file of await filesIn(path)) {
      try {
        edges.push(...edgesOf(file, new YamlFile(await readFile(file, 'utf8'), file).tree))
      } catch (error) {
        if (error instanceof ConfigError) problems.push(...error.problems)
        else problems.push({ path: file, message: whyUnreadable(file, error) })
      }
    }
  }
  problems.push(...takenTwice(edges, 'id'), ...takenTwice(edges, 'hosts'))
  if (problems.length > 0) throw new ConfigError(problems)
  if (edges.length === 0) throw new ConfigError([{ path: paths.join(' '), message: 'has no edges' }])
  return edges
}

async function filesIn(path: string): Promise<string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const names = await readdir(path)
    return names
      .filter((name) => /\.ya?ml$/.test(name))
      .toSorted()
      .map((name) => join(path, name))
  } catch (error) {
    throw new ConfigError([{ path, message: whyUnreadable(path, error) }], { cause: error })
  }
}

function edgesOf(source: string, tree: unknown): WrittenEdge[] {
  const written = isRecord(tree) && 'edges' in tree ? tree['edges'] : [tree]
  if (!Array.isArray(written) || !written.every(isRecord))
    throw new ConfigError([
      { path: source, message: 'must be an edge, with id and hosts, or have a list of them under edges:' },
    ])
  return written.map((edge: unknown, index) => ({
    edge,
    source: written.length === 1 ? source : `${source} edges[${index}]`,
  }))
}

/** Ids, or hosts, that two edges of the files have. */
function* takenTwice(edges: readonly WrittenEdge[], key: 'id' | 'hosts'): Generator<ConfigProblem> {
  const seen = new Map<unknown, string>()
  for (const { edge, source } of edges) {
    for (const value of [child(edge, key)].flat()) {
      const other = seen.get(value)
      if (value !== undefined && other !== undefined)
        yield { path: source, message: `${JSON.stringify(value)} is in ${other}, too` }
      seen.set(value, source)
    }
  }
}
