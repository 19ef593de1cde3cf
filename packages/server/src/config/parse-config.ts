// relay.yml, from text to Config: YAML → ${ENV} → schema → what values must agree on → defaults. All problems are
// reported together. Reads no file; load-config.ts does.

import { dirname, resolve } from 'node:path'

import type { z } from 'zod'

import { ConfigError } from '../errors.ts'
import { checkConfig } from './check-config.ts'
import type { Config } from './config.ts'
import type { ConfigPath, FoundProblem } from '@sallyport/protocol/found-problem'
import { expandEnv } from '@sallyport/protocol/expand-env'
import { configSchema } from './schema.ts'
import { checkEdges } from '../model/check-edges.ts'
import { completeEdge, completePages } from '../model/complete-edge.ts'
import { edgeSchema } from '../model/edge-schema.ts'
import { parseWithSchema } from '../model/schema-problems.ts'
import { storeLocation } from './store-location.ts'
import { YamlFile } from '@sallyport/protocol/yaml-file'

export interface ParseConfigOptions {
  /** The file that the text comes from; relative paths in it start at its folder. */
  source: string
  env: NodeJS.ProcessEnv
}

/** @throws ConfigError with every problem that can be found */
export function parseConfig(text: string, { source, env }: ParseConfigOptions): Config {
  const file = new YamlFile(text, source)
  const expanded = expandEnv(file.tree, env)
  const { problems, config } = read(expanded.tree)
  // What a missing variable would have filled cannot be judged.
  const unset = new Set(expanded.problems.map(({ path }) => JSON.stringify(path)))
  const all = [...expanded.problems, ...problems.filter(({ path }) => !unset.has(JSON.stringify(path)))]
  if (all.length > 0 || !config) throw new ConfigError(all.map((problem) => file.located(problem)))
  return complete(config, dirname(resolve(source)), env)
}

type ReadConfig = z.output<typeof configSchema>

function read(tree: unknown): { problems: FoundProblem[]; config?: ReadConfig } {
  const first = parseWithSchema(configSchema, tree)
  const whole = 'value' in first ? first.value : undefined
  const problems = whole ? [] : 'problems' in first ? [...first.unknownKeys, ...first.problems] : []

  // A misspelt key must not hide other problems: the rest is looked at as if the key were not there.
  const known = 'problems' in first ? without(tree, first.unknownKeys) : tree
  const publicUrl = part(configSchema.shape.public_url, known, 'public_url')
  const listen = part(configSchema.shape.listen, known, 'listen')
  const tls = part(configSchema.shape.tls, known, 'tls')
  const edges = listOf(known, 'edges').map((value, index) => ({
    index,
    id: part(edgeSchema.shape.id, value, 'id'),
    hosts: part(edgeSchema.shape.hosts, value, 'hosts') ?? [],
    edge: parsed(edgeSchema, value),
  }))
  problems.push(...checkConfig({ publicUrl, listen, tls }), ...checkEdges({ publicUrl, edges }))
  return whole ? { problems, config: whole } : { problems }
}

function part<T extends z.ZodType>(schema: T, tree: unknown, key: string): z.output<T> | undefined {
  return parsed(schema, child(tree, key))
}

function parsed<T extends z.ZodType>(schema: T, value: unknown): z.output<T> | undefined {
  const result = schema.safeParse(value)
  return result.success ? result.data : undefined
}

function listOf(tree: unknown, key: string): unknown[] {
  const list = child(tree, key)
  return Array.isArray(list) ? list : []
}

function child(tree: unknown, key: PropertyKey): unknown {
  if (typeof tree !== 'object' || tree === null || !Object.hasOwn(tree, key)) return undefined
  return (tree as Record<PropertyKey, unknown>)[key] // it has just been seen to have this key
}

function without(tree: unknown, unknownKeys: readonly FoundProblem[]): unknown {
  if (unknownKeys.length === 0) return tree
  const copy: unknown = structuredClone(tree)
  for (const { path } of unknownKeys) {
    const parent = path.slice(0, -1).reduce<unknown>(child, copy)
    if (typeof parent === 'object' && parent !== null) Reflect.deleteProperty(parent, lastOf(path))
  }
  return copy
}

function lastOf(path: ConfigPath): PropertyKey {
  return path.at(-1) ?? ''
}

// ── defaults that depend on other values ─────────────────────────────────────────────────────────────────────────

function complete(read: ReadConfig, folder: string, env: NodeJS.ProcessEnv): Config {
  return {
    ...read,
    store: storeLocation(read.store, folder, env),
    tls: {
      ...read.tls,
      certificates: read.tls.certificates.map(({ cert_file, key_file }) => ({
        cert_file: resolve(folder, cert_file),
        key_file: resolve(folder, key_file),
      })),
    },
    pages: completePages(read.pages, folder),
    edges: read.edges.map((edge) => completeEdge(edge, read.identity_jwt, folder)),
  }
}
