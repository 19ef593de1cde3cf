// The app of a `file:` upstream: an HTTP/1.1 server inside the agent that reads one directory. GET and HEAD only.
// request path → plain names (file-path) → real path, which must be in the directory → file, listing or redirect.
// It never follows a symlink out of the directory and never serves a dotfile.

import { constants, realpathSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { open, opendir, realpath, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { basename, isAbsolute, join, relative, sep } from 'node:path'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { ConfigError } from '@sallyport/protocol/config-error'
import { createServer } from '@sallyport/protocol/node-http'

import { parseByteRange } from './byte-range.ts'
import { contentTypeOf } from './content-type.ts'
import { PAGE_HEADERS, renderListing, renderNotice } from './file-pages.ts'
import type { Asked, ListedEntry, Notice } from './file-pages.ts'
import { isHidden, parseFilePath } from './file-path.ts'

const INDEX = 'index.html'
const LISTED_MAX = 1000
const HEADERS_MAX_BYTES = 64 * 1024 // above the relay's own limit, which has been applied already

// Nothing but a file under exactly this name, and no wait for the writer of a pipe. Windows has neither flag.
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * Prepares the server of a directory.
 * @returns a function that makes one connection to it
 * @throws ConfigError if the directory does not exist now; later it may go and come, as with build tools
 */
export function serveDirectory(directory: string): () => Duplex {
  const problem = directoryProblem(directory)
  if (problem) throw new ConfigError([{ path: 'upstream', message: problem }])
  // The relay decides how long a connection may be idle, and has its own limits for slow visitors.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, maxHeaderSize: HEADERS_MAX_BYTES })
  server.on('request', (request, response) => void answer(directory, request, response))
  return () => {
    const [near, far] = duplexPair()
    // duplexPair turns a destroyed side into an ordinary end of the other: a half request would look complete.
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
    server.emit('connection', far)
    return near
  }
}

function directoryProblem(directory: string): string | undefined {
  try {
    if (statSync(realpathSync(directory)).isDirectory()) return undefined
    return `${directory} is not a directory. Name the directory whose files are to be served.`
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException // node:fs throws nothing else
    return `${directory} cannot be read (${code}). Name a directory that exists and that the agent may read.`
  }
}

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return sendNotice(request, response, 405, 'notAllowed', {
        allow: 'GET, HEAD',
      })
    }
    await answerPath(root, request, response)
  } catch (error) {
    if (response.headersSent) {
      // The visitor has left, or the file has: half of it must not look like all of it.
      response.destroy()
      return
    }
    if (NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')) return sendNotFound(request, response)
    sendNotice(request, response, 500, 'notReadable')
  }
}

// A file that the agent may not read counts as missing; a visitor need not know the difference.
const NOT_THERE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO'])

async function answerPath(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const target = request.url ?? '/'
  const queryAt = target.indexOf('?')
  const rawPath = queryAt === -1 ? target : target.slice(0, queryAt)
  const path = parseFilePath(rawPath)
  const found = path && (await locate(root, path.names))
  if (!path || !found) return sendNotFound(request, response)

  if (!found.stats.isDirectory()) {
    if (path.hasSlash || !found.stats.isFile()) return sendNotFound(request, response)
    return sendFile(found.path, request, response)
  }
  if (!path.hasSlash && path.names.length > 0) {
    // Relative, so that no path can turn it into another host; the name unchanged, so that its encoding is kept.
    const location = `./${rawPath.slice(rawPath.lastIndexOf('/') + 1)}/${queryAt === -1 ? '' : target.slice(queryAt)}`
    return sendNotice(request, response, 301, 'directory', { location })
  }
  const index = await locate(root, [...path.names, INDEX]).catch(() => undefined) // there is none, or it may not be read
  if (index?.stats.isFile()) return sendFile(index.path, request, response)
  const listing = await list(root, path.names, found.path)
  sendPage(request, response, 200, renderListing({ names: path.names, ...listing }, askedOf(request)))
}

/**
 * Finds the entry below the directory with these names.
 * @returns undefined if the real path leads out of the directory or through a hidden entry
 * @throws the error of node:fs if nothing is there
 */
async function locate(root: string, names: readonly string[]): Promise<{ path: string; stats: Stats } | undefined> {
  const realRoot = await realpath(root)
  const path = await realpath(join(realRoot, ...names))
  const inside = relative(realRoot, path)
  if (isAbsolute(inside)) return undefined // another drive
  // `..` is hidden, too
  if (inside.split(sep).some(isHidden)) return undefined
  return { path, stats: await stat(path) }
}

async function list(
  root: string,
  names: readonly string[],
  path: string,
): Promise<{ entries: ListedEntry[]; isCut: boolean }> {
  const found: string[] = []
  let isCut = false
  for await (const { name } of await opendir(path)) {
    if (isHidden(name)) continue
    isCut = found.length === LISTED_MAX
    if (isCut) break
    found.push(name)
  }
  const looked = await Promise.all(found.map((name) => describe(root, names, name)))
  const entries = looked.filter((entry) => entry !== undefined)
  entries.sort((a, b) => Number(b.isDirectory) - Number(a.isDirectory) || (a.name < b.name ? -1 : 1))
  return { entries, isCut }
}

/** An entry as a visitor could open it; symlinks that lead nowhere or out of the directory are left out. */
async function describe(root: string, names: readonly string[], name: string): Promise<ListedEntry | undefined> {
  try {
    const found = await locate(root, [...names, name])
    const isDirectory = found?.stats.isDirectory() ?? false
    if (!found || (!isDirectory && !found.stats.isFile())) return undefined
    return { name, isDirectory, bytes: found.stats.size, modified: found.stats.mtime }
  } catch {
    return undefined // gone, dangling, or not to be read
  }
}

async function sendFile(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const file = await open(path, OPEN_FLAGS)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) return sendNotFound(request, response)
    const etag = `"${stats.size.toString(16)}-${Math.round(stats.mtimeMs * 1000).toString(16)}"`
    response.setHeader('etag', etag)
    response.setHeader('last-modified', stats.mtime.toUTCString())
    response.setHeader('accept-ranges', 'bytes')
    // Browsers keep it, but ask each time: people change these files and look at once.
    response.setHeader('cache-control', 'no-cache')
    if (isUnchanged(request, etag, stats.mtime)) return void response.writeHead(304).end()

    const { size } = stats
    const mayBePart = request.method === 'GET' && isRangeFor(request, etag, stats.mtime)
    const range = parseByteRange(mayBePart ? request.headers.range : undefined, size)
    if (range.type === 'unsatisfiable')
      return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
    const { start, end } = range.type === 'part' ? range : { start: 0, end: size - 1 }
    response.setHeader('content-type', contentTypeOf(basename(path)))
    response.setHeader('content-length', end - start + 1)
    if (range.type === 'part') response.setHeader('content-range', `bytes ${start}-${end}/${size}`)
    response.writeHead(range.type === 'part' ? 206 : 200)
    if (request.method === 'HEAD' || size === 0) return void response.end()
    await sendBytes(file, start, end, response)
  } finally {
    await file.close()
  }
}

async function sendBytes(file: FileHandle, start: number, end: number, response: ServerResponse): Promise<void> {
  const bytes = file.createReadStream({ start, end, autoClose: false })
  await pipeline(bytes, response, { end: false })
  if (bytes.bytesRead === end - start + 1) response.end()
  else response.destroy() // it has become shorter meanwhile; a short answer must not look complete
}

/** RFC 9110 13.2.2: if there is a tag, it decides alone. */
function isUnchanged({ headers }: IncomingMessage, etag: string, modified: Date): boolean {
  const tags = headers['if-none-match']
  if (tags !== undefined) {
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  }
  const since = Date.parse(headers['if-modified-since'] ?? '')
  return wholeSeconds(modified) <= since // NaN compares as false
}

/** RFC 9110 13.1.5: a part of the visitor's version, or the whole current file. */
function isRangeFor({ headers }: IncomingMessage, etag: string, modified: Date): boolean {
  const validator = headers['if-range']
  if (validator === undefined || validator === etag) return true
  return typeof validator === 'string' && Date.parse(validator) === wholeSeconds(modified)
}

function wholeSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000) * 1000
}

function sendNotFound(request: IncomingMessage, response: ServerResponse): void {
  sendNotice(request, response, 404, 'notFound')
}

function sendNotice(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  notice: Notice,
  headers: Record<string, string> = {},
): void {
  sendPage(request, response, status, renderNotice(notice, askedOf(request)), headers)
}

/** The relay sets both, and passes neither on from the visitor unchanged. */
function askedOf({ headers, url = '/' }: IncomingMessage): Asked {
  const forwarded = headers['x-forwarded-host']
  const host = (typeof forwarded === 'string' ? forwarded : undefined) ?? headers.host ?? ''
  return { site: host.replace(/:\d+$/, ''), target: url }
}

function sendPage(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  html: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...PAGE_HEADERS, ...headers, 'content-length': Buffer.byteLength(html) })
  response.end(method === 'HEAD' ? undefined : html)
}
