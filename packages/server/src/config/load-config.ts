// Reads the configuration of the relay from its file, or makes the one of local mode.

import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

import type { z } from 'zod'

import { ConfigError } from '../errors.ts'
import type { Config, StoreLocation } from './config.ts'
import { expandEnv } from '@sallyport/protocol/expand-env'
import { parseConfig } from './parse-config.ts'
import { configSchema } from './schema.ts'
import { parseWithSchema } from '../model/schema/schema-problems.ts'
import { loadLanguage, mayHaveExpressions } from '../policy/language.ts'
import { storeLocation } from './store-location.ts'
import { YamlFile } from '@sallyport/protocol/yaml-file'

const FILE_MAX_BYTES = 16 * 1024 * 1024 // thousands of edges fit; a disk image given by mistake does not

/** The address of local mode, which nobody else on the network can reach. */
export const LOCAL_HOST = '127.0.0.1'

export interface LocalPorts {
  http: number
  admin: number
}

export const LOCAL_PORTS: LocalPorts = { http: 8080, admin: 4041 }

export interface LoadConfigInit {
  /** Without it the relay runs in local mode. */
  file?: string
  env: NodeJS.ProcessEnv
}

/** The input of parseConfig(). */
export interface ConfigSource {
  text: string
  source: string
}

/** @throws ConfigError with every problem that can be found */
export async function loadConfig(init: LoadConfigInit): Promise<Config> {
  return (await loadSource(init)).config
}

/** Like loadConfig(), but also returns the text, for callers that pass it on. */
export async function loadSource({ file, env }: LoadConfigInit): Promise<{ config: Config; source: ConfigSource }> {
  const source = await readConfig(file, LOCAL_PORTS, env)
  return { config: parseConfig(source.text, { source: source.source, env }), source }
}

/**
 * Parses a text that another process has read.
 * @throws ConfigError with every problem that can be found
 */
export async function parseSource({ text, source }: ConfigSource, env: NodeJS.ProcessEnv): Promise<Config> {
  if (mayHaveExpressions(text, env)) await loadLanguage()
  return parseConfig(text, { source, env })
}

/**
 * The text of a configuration, for callers that parse it more than once.
 * @param file without it, the text of local mode
 * @param localPorts the ports of local mode, if its usual ones are taken
 * @param env its variables, if not those of this process
 * @throws ConfigError if it cannot be read
 */
export async function readConfig(
  file: string | undefined,
  localPorts = LOCAL_PORTS,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ConfigSource> {
  if (file === undefined) return localSource(localPorts)
  const text = await readText(file)
  if (mayHaveExpressions(text, env)) await loadLanguage()
  return { text, source: file }
}

/** The configuration of a relay without a file: loopback only, with one edge that needs no sign-in. */
export function localConfig(env: NodeJS.ProcessEnv): Config {
  const { text, source } = localSource(LOCAL_PORTS)
  return parseConfig(text, { source, env })
}

/** For commands that need the store only: reads nothing else of the file, and expands no other `${ENV}`. */
export async function loadStoreLocation({ file, env }: LoadConfigInit): Promise<StoreLocation> {
  if (file === undefined) return storeLocation(undefined, '/', env)
  const { store } = await loadPart(file, configSchema.pick({ store: true }), env)
  return storeLocation(store, dirname(resolve(file)), env)
}

/**
 * The ids of all edges, and the values of the label `edge` in backends, for a command that only needs to know whether
 * an edge exists: the rest of the file need not be valid.
 */
export async function loadEdgeNames({ file, env }: LoadConfigInit): Promise<Set<string>> {
  const { text, source } = await readConfig(file)
  const { tree } = new YamlFile(text, source)
  const edges = typeof tree === 'object' && tree !== null && 'edges' in tree ? tree.edges : []
  return new Set(edgeNamesIn(expandEnv(edges, env).tree))
}

function* edgeNamesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [key, inner] of Object.entries(value)) {
    const isName = key === 'id' || key === 'edge' // of an edge, or in the labels of a backend
    if (isName && typeof inner === 'string') yield inner
    else yield* edgeNamesIn(inner)
  }
}

/** For a command that may run before the client secret is known: reads nothing else of the file. */
export async function loadPublicUrl(file: string, env: NodeJS.ProcessEnv): Promise<URL> {
  return (await loadPart(file, configSchema.pick({ public_url: true }), env)).public_url
}

/** For a command that gets it without a file. */
export function parsePublicUrl(written: string): { url: URL } | { problem: string } {
  const read = parseWithSchema(configSchema.pick({ public_url: true }), { public_url: written })
  return 'value' in read ? { url: read.value.public_url } : { problem: read.problems[0]?.message ?? 'is not a URL' }
}

async function loadPart<T extends z.ZodObject>(file: string, schema: T, env: NodeJS.ProcessEnv): Promise<z.output<T>> {
  const yaml = new YamlFile(await readText(file), file)
  const { tree } = yaml
  const all = typeof tree === 'object' && tree !== null ? Object.entries(tree) : []
  const expanded = expandEnv(Object.fromEntries(all.filter(([key]) => Object.hasOwn(schema.shape, key))), env)
  const read = parseWithSchema(schema, expanded.tree)
  const problems = [...expanded.problems, ...('problems' in read ? read.problems : [])]
  if (!('value' in read) || problems.length > 0)
    throw new ConfigError(problems.slice(0, 1).map((one) => yaml.located(one)))
  return read.value
}

function localSource({ http, admin }: LocalPorts): ConfigSource {
  return {
    source: 'local mode',
    text: `
domain: localhost
public_url: http://localhost:${http}
listen: { http: ${LOCAL_HOST}:${http}, admin: ${LOCAL_HOST}:${admin} }
edges: [{ id: edg_local, hosts: [app.localhost] }]
`,
  }
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > FILE_MAX_BYTES) throw new ConfigError([{ path: file, message: 'is too large to be a configuration' }])
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError([{ path: file, message: fileProblem(file, error) }], { cause: error })
  }
}

function fileProblem(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT')
    return `there is no such file in ${dirname(resolve(file))}; check the path in --config or SALLYPORT_CONFIG`
  if (code === 'EACCES') return 'may not be read by this user; change its owner or mode'
  if (code === 'EISDIR') return 'is a folder; name the file in it, for example relay.yml'
  return `cannot be read: ${error instanceof Error ? error.message : String(error)}`
}
