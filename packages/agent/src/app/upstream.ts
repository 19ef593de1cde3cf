// The local service that a tunnel forwards to, as a person writes it after `agent tunnel`. Pure except for the working
// folder of relative paths: text in, values out. Only this decides which address the agent dials (attack 42): nothing
// that the relay or a visitor sends has any influence.

import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export interface Upstream {
  /** For people and for `forwards_to`: `http://localhost:8000`. */
  readonly url: string
  /** The app's own name: `localhost:8000`, without a default port. For `--host-header rewrite`. */
  readonly authority: string
  /** For error sentences: `localhost:8000`, the socket's path or the directory. */
  readonly place: string
  readonly tls: boolean
  readonly target:
    | { readonly host: string; readonly port: number }
    | { readonly socketPath: string }
    /** Served by the agent itself. */
    | { readonly directory: string }
}

const EXAMPLES =
  'Write a port (8000), host:port, http://host:port, https://host, unix:/path/to/socket or file:///path/to/directory.'

/**
 * Reads an upstream.
 * @returns the upstream, or a sentence with the problem and what to write
 */
export function parseUpstream(text: string): Upstream | { problem: string } {
  if (/^\d+$/.test(text)) return fromUrl(text, `http://localhost:${text}`)
  if (text.startsWith('unix:')) return fromSocketPath(text)
  if (/^file:/i.test(text)) return fromFileAddress(text)
  if (/^https?:\/\//i.test(text)) return fromUrl(text, text)
  if (text.includes('://')) return { problem: `"${text}" is not an address the agent can forward to. ${EXAMPLES}` }
  // A bare host is more often a slip than port 80.
  if (!/:\d+$/.test(text)) return { problem: `"${text}" names no port. ${EXAMPLES}` }
  return fromUrl(text, `http://${text}`)
}

function fromUrl(text: string, address: string): Upstream | { problem: string } {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (!url || url.hostname === '') return { problem: `"${text}" is not an address. ${EXAMPLES}` }
  if (url.port === '0') return { problem: `"${text}": port 0 cannot be dialled. ${EXAMPLES}` }
  if (url.username !== '' || url.password !== '') {
    return { problem: 'An upstream address cannot carry a user name or a password.' }
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return { problem: `"${text}" has a path; a tunnel forwards whole hosts. Write ${url.origin} instead.` }
  }
  const tls = url.protocol === 'https:'
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
  const place = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  return { url: url.origin, authority: url.host, place, tls, target: { host, port } }
}

// The longest sun_path is 108 bytes on Linux and 104 on macOS, with its final NUL.
const SOCKET_PATH_MAX_BYTES = 103

function fromSocketPath(text: string): Upstream | { problem: string } {
  const socketPath = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
  if (socketPath === '' || socketPath.includes('\0')) return { problem: `"${text}" names no socket. ${EXAMPLES}` }
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX_BYTES) {
    return { problem: `"${text}": a socket's path can have ${SOCKET_PATH_MAX_BYTES} bytes at most.` }
  }
  return { url: `unix:${socketPath}`, authority: 'localhost', place: socketPath, tls: false, target: { socketPath } }
}

/** `file:///dir` and `file://localhost/dir` are URLs (RFC 8089); anything else after `file://` is a plain path. */
function fromFileAddress(text: string): Upstream | { problem: string } {
  const problem = { problem: `"${text}" names no directory. Write file:///path/to/directory or file://./directory.` }
  const path = /^file:\/\/(.+)$/is.exec(text)?.[1]
  if (path === undefined || path.includes('\0')) return problem
  if (!/^(?:localhost)?\//i.test(path)) return fromDirectory(resolve(path))
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || url.search !== '' || url.hash !== '') {
    return { problem: `"${text}": write ? and # in a file address as %3F and %23.` }
  }
  try {
    return fromDirectory(resolve(fileURLToPath(url)))
  } catch {
    return problem // an encoded separator, which no path can have
  }
}

function fromDirectory(directory: string): Upstream {
  const { href } = pathToFileURL(directory)
  return { url: href, authority: 'localhost', place: directory, tls: false, target: { directory } }
}
