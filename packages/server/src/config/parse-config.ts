// relay.yml, from text to Config: YAML → ${ENV} → schema → checks among values → defaults. Its edges are read like all
// edges (model/read-edges.ts). All problems are reported together. Reads no file; load-config.ts does.

import { dirname, resolve } from 'node:path'

import type { z } from 'zod'

import { ConfigError } from '../errors.ts'
import type { ConfigProblem } from '../errors.ts'
import { completePages } from '../model/complete-edge.ts'
import type { EdgeConfig } from '../model/edge-config.ts'
import { readEdges as readOurEdges } from '../model/read-edges.ts'
import type { EdgeReader } from '../model/read-edges.ts'
import { parseWithSchema, parsed } from '../model/schema/schema-problems.ts'
import type { FoundProblem } from '@sallyport/protocol/found-problem'
import { child, withoutKeys } from '../values/written-tree.ts'
import { checkConfig } from './check-config.ts'
import type { Config } from './config.ts'
import { expandEnv } from '@sallyport/protocol/expand-env'
import { configSchema } from './schema.ts'
import { completeAuthorities } from './schema/authorities-schema.ts'
import { supplyOf } from './supply-of.ts'
import { storeLocation } from './store-location.ts'
import { KINDS } from '../policy/kinds.ts'
import { isTemplateAt } from '../policy/templates-of.ts'
import { YamlFile } from '@sallyport/protocol/yaml-file'

export interface ParseConfigInit {
  /** The file that the text comes from; relative paths in it start at its folder. */
  source: string
  env: NodeJS.ProcessEnv
  /**
   * Called for each older form in a policy, and for parts of expressions that may not do what the author expects;
   * paths are like `relay.yml:7:15 edges[0]…`.
   */
  onRemark?: (remark: ConfigProblem) => void
  /** By default policies may have the actions in docs/configuration.md. */
  readEdges?: EdgeReader
}

/** @throws ConfigError with every problem that can be found */
export function parseConfig(
  text: string,
  { source, env, onRemark, readEdges = readOurEdges }: ParseConfigInit,
): Config {
  const file = new YamlFile(text, source)
  const expanded = expandEnv(file.tree, env, (path) => isTemplateAt(file.tree, path, KINDS))
  const folder = dirname(resolve(source))
  const { problems, config, edges, remarks } = read(expanded.tree, folder, readEdges)
  // A value with a missing variable cannot be checked.
  const unset = new Set(expanded.problems.map(({ path }) => JSON.stringify(path)))
  const all = [...expanded.problems, ...problems.filter(({ path }) => !unset.has(JSON.stringify(path)))]
  if (all.length > 0 || !config || !edges) throw new ConfigError(all.map((problem) => file.located(problem)))
  for (const { path, message } of remarks) onRemark?.({ path: file.placeAndPath(path), message })
  return complete(config, edges, folder, env)
}

type ReadConfig = z.output<typeof configSchema>

interface Read {
  problems: FoundProblem[]
  config?: ReadConfig | undefined
  edges?: readonly EdgeConfig[] | undefined
  remarks: readonly FoundProblem[]
}

function read(tree: unknown, folder: string, readEdges: EdgeReader): Read {
  const first = parseWithSchema(configSchema, tree)
  const config = 'value' in first ? first.value : undefined
  const problems = 'problems' in first ? [...first.unknownKeys, ...first.problems] : []

  // A misspelt key must not hide other problems: the rest is checked as if the key were not there.
  const known = 'problems' in first ? withoutKeys(tree, first.unknownKeys) : tree
  const publicUrl = part(configSchema.shape.public_url, known, 'public_url')
  const listen = part(configSchema.shape.listen, known, 'listen')
  const tls = part(configSchema.shape.tls, known, 'tls')
  problems.push(...checkConfig({ publicUrl, listen, tls }))

  const written = child(known, 'edges')
  const authorities = completeAuthorities(
    part(configSchema.shape.certificate_authorities, known, 'certificate_authorities') ?? {},
    folder,
  )
  const endsHere = listen && listen.https !== undefined
  const supply = supplyOf({
    region: part(configSchema.shape.region, known, 'region'),
    secrets: part(configSchema.shape.secrets, known, 'secrets'),
    geo: part(configSchema.shape.geo, known, 'geo'),
    ip_lists: part(configSchema.shape.ip_lists, known, 'ip_lists'),
    ip_policies: part(configSchema.shape.ip_policies, known, 'ip_policies'),
  })
  const identityJwt = config?.identity_jwt ?? true
  const place = { publicUrl, identityJwt, folder, tls: { endsHere, authorities }, supply }
  const read = readEdges(Array.isArray(written) ? written : [], place)
  problems.push(...(read.problems ?? []))
  return { problems, config, edges: read.edges, remarks: read.remarks }
}

function part<T extends z.ZodType>(schema: T, tree: unknown, key: string): z.output<T> | undefined {
  return parsed(schema, child(tree, key))
}

// ── defaults that depend on other values ─────────────────────────────────────────────────────────────────────────

function complete(read: ReadConfig, edges: readonly EdgeConfig[], folder: string, env: NodeJS.ProcessEnv): Config {
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
    certificate_authorities: Object.fromEntries(completeAuthorities(read.certificate_authorities, folder)),
    pages: completePages(read.pages, folder),
    geo: {
      ...(read.geo.city_file !== undefined && { city_file: resolve(folder, read.geo.city_file) }),
      ...(read.geo.asn_file !== undefined && { asn_file: resolve(folder, read.geo.asn_file) }),
    },
    ip_lists: new Map([...read.ip_lists].map(([name, file]) => [name, resolve(folder, file)])),
    edges,
  }
}
