// For the tests of this room: a visitor listener of forty lines that dispatches by host, a store that can be
// switched off, and a real identity provider over HTTP. Everything on 127.0.0.1 and free ports.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'

import { Secret } from '@sallyport/protocol'

import { Browser } from '../../../../test/support/browser/browser.ts'
import {
  startIdentityProvider,
  type IdentityProvider,
  type IdentityProviderOptions,
} from '../../../../test/support/identity-provider/identity-provider.ts'
import { authIdOf } from '../policy/openid-connect/auth-id.ts'
import type { IssuerReach } from '../config/issuer-reach.ts'
import type { OpenidConnectConfig } from '../policy/openid-connect/openid-connect-schema.ts'
import { redirectUri } from '../model/redirect-uri.ts'
import { LOOPBACK } from '../exchange/connection.test-support.ts'
import { Exchange, type Upgrade } from '../exchange/exchange.ts'
import { Attempts } from '../exchange/attempts.ts'
import type { Identity } from '../exchange/identity.ts'
import { Keys } from '../keys.ts'
import { Http1Response } from '../listener/http1/http1-response.ts'
import { createLog } from '../log.ts'
import { MemoryStore } from '../store/memory-store.test-support.ts'
import type { Store } from '../store/store.ts'
import type { Action } from '../exchange/action.ts'
import { IdentityTokens } from '../identity/identity-tokens.ts'
import { SignIn } from './sign-in.ts'
import { until as untilSo } from '../../../../test/support/until.ts'

export const PASSWORD = 'correct horse battery staple'
export const USERS: IdentityProviderOptions['users'] = [
  {
    username: 'ada',
    password: PASSWORD,
    claims: { sub: 'user-1', email: 'ada@example.com', email_verified: true, name: 'Ada Lovelace', groups: ['staff'] },
  },
  {
    username: 'eve',
    password: PASSWORD,
    claims: { sub: 'user-2', email: 'eve@example.com', email_verified: false, name: 'Eve', groups: [] },
  },
  {
    username: 'mallory',
    password: PASSWORD,
    claims: {
      sub: 'user-3',
      email: 'm@evil.example',
      email_verified: true,
      name: 'X\r\nSet-Cookie: a=b\0 ☃',
      groups: ['a,b'],
    },
  },
  {
    username: 'script',
    password: PASSWORD,
    claims: {
      sub: 'user-4',
      email: 'sid@script.example',
      email_verified: true,
      name: '<script>alert(1)</script>',
      groups: [],
    },
  },
  {
    username: 'silent',
    password: PASSWORD,
    claims: { sub: 'user-5', email: 'sam@silent.example', name: 'Sam', groups: [] },
  },
]

/** The requests that the app behind an edge got: others did not reach it. */
export interface Reached {
  edge: string
  target: string
  identity: Identity | undefined
}

export interface Relay {
  signIn: SignIn
  port: number
  publicUrl: URL
  reached: Reached[]
  logLines: string[]
  /** All ended exchanges, in the order of their ends. */
  exchanges: Exchange[]
  /** Puts an edge on `<name>.localhost`, replacing the present one. */
  edge(name: string, ...configs: OpenidConnectConfig[]): { url: string; host: string; origin: string; id: string }
  /** Exchanges that have reached an app and stay open there. */
  holding: Set<Exchange>
  close(): Promise<void>
}

export interface RelayOptions {
  store?: Store
  keys?: Keys
  clock?: () => number
  port?: number
  callbacksPerMinute?: number
  providerTimeoutMs?: number
  /** Origins that edges get instead of http://<host>:<port>. */
  scheme?: 'http' | 'https'
}

/** Has an edge sign in, and nothing else. */
export function publishSignIn(
  signIn: SignIn,
  edgeId: string,
  config: OpenidConnectConfig,
  reach?: IssuerReach,
): Action {
  const signIns = signIn.signInsFor(edgeId, reach)
  const action = signIns.action(config)
  signIns.publish()
  return action
}

export async function startRelay(options: RelayOptions = {}): Promise<Relay> {
  const server = createServer({ ServerResponse: Http1Response })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // listening on TCP, so it is one
  const scheme = options.scheme ?? 'http'
  const publicUrl = new URL(`http://relay.localhost:${port}`)
  const logLines: string[] = []
  const parts = {
    onFault: (thrown: unknown, border: string) => void logLines.push(`fault in ${border}: ${String(thrown)}\n`),
    store: options.store ?? new MemoryStore(),
    keys: options.keys ?? testKeys(),
    log: createLog({ level: 'debug', format: 'json' }, { write: (line) => void logLines.push(line) }),
    ...(options.clock && { clock: options.clock }),
  }
  const edges = new Map<string, { id: string; origin: string; actions: Action[] }>()
  const open = async (): Promise<SignIn> =>
    SignIn.open({
      ...parts,
      identityTokens: await IdentityTokens.open({ ...parts, issuer: publicUrl.origin }),
      publicUrl,
      originOf: (edgeId, host) => {
        const edge = edges.get(host)
        return edge?.id === edgeId ? edge.origin : undefined
      },
      providerTimeoutMs: options.providerTimeoutMs ?? 5000,
      countAttempts: () => new Attempts(options.callbacksPerMinute ?? 1000),
    })
  const signIn = await open().catch((error: unknown) => {
    server.close()
    throw error
  })
  const reached: Reached[] = []
  const exchanges: Exchange[] = []
  const holding = new Set<Exchange>()

  const app = async (exchange: Exchange): Promise<void> => {
    reached.push({ edge: exchange.edgeId, target: exchange.target, identity: exchange.identity })
    if (!exchange.upgrade && !exchange.path.startsWith('/hold')) {
      return exchange.respond(200, { 'content-type': 'text/plain' }, `hello ${exchange.identity?.subject}`)
    }
    if (exchange.upgrade) {
      exchange.upgrade.socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n',
      )
    } else {
      exchange.response.writeHead(200, { 'content-type': 'text/event-stream' })
      exchange.response.write(': open\n\n')
    }
    holding.add(exchange)
    const { upgrade, response } = exchange
    await new Promise<void>((resolve) => (upgrade?.socket ?? response).once('close', () => resolve()))
    holding.delete(exchange)
  }
  const serve = async (request: IncomingMessage, response: Http1Response, upgrade?: Upgrade): Promise<void> => {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '')
    const exchange = new Exchange({
      request,
      response,
      connection: LOOPBACK,
      host,
      clientIp: '127.0.0.1',
      forwardedFor: '127.0.0.1',
      scheme: 'http',
      ...(upgrade && { upgrade }),
    })
    try {
      if (host === publicUrl.hostname) return await signIn.publicPages(exchange)
      const edge = edges.get(host)
      if (!edge) throw new Error(`no edge ${host}`)
      exchange.edgeId = edge.id
      exchange.origin = edge.origin
      if (/^\/\.sallyport(?:\/|$)/.test(exchange.path)) return await signIn.edgePages(exchange)
      const run = (index: number): Promise<void> =>
        edge.actions[index]?.(exchange, () => run(index + 1)) ?? app(exchange)
      await run(0)
    } catch (error) {
      exchange.fail(error)
    } finally {
      exchanges.push(exchange)
      if (exchange.error?.detail !== undefined) logLines.push(`exchange: ${exchange.error.detail}\n`) // as relay.ts does
    }
  }
  server.on('request', (request, response) => void serve(request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const response = new Http1Response(request)
    response.assignSocket(socket as never) // node:http types it as Socket; every visitor's is one
    // Node leaves upgraded sockets half-open; an app would answer the end with its own.
    socket.on('error', () => socket.destroy()).on('end', () => socket.end())
    socket.resume()
    void serve(request, response, { protocol: 'websocket', socket, head, accept: () => {}, hasten: () => {} })
  })

  return {
    signIn,
    port,
    publicUrl,
    reached,
    logLines,
    exchanges,
    holding,
    edge(name, ...configs) {
      const id = `edg_${name}`
      const host = `${name}.localhost`
      const origin = `${scheme}://${host}:${port}`
      const signIns = signIn.signInsFor(id)
      edges.set(host, { id, origin, actions: configs.map((config) => signIns.action(config)) })
      signIns.publish()
      return { url: `http://${host}:${port}`, host, origin, id }
    },
    async close() {
      await signIn.close()
      for (const exchange of holding) exchange.cut(new Error('the relay of the test closes'))
      server.close()
      server.closeAllConnections()
    },
  }
}

/** A provider whose only client, `relay`, returns to the given relay. */
export function startProvider(
  relayPort: number,
  options: Partial<IdentityProviderOptions> = {},
): Promise<IdentityProvider> {
  return startIdentityProvider({
    port: 0,
    host: 'idp.localhost',
    users: USERS,
    clients: [clientFor(relayPort)],
    ...options,
  })
}

export function clientFor(relayPort: number): IdentityProviderOptions['clients'][number] {
  return {
    client_id: 'relay',
    client_secret: 'a client secret of some length, for HS256 too',
    redirect_uris: (issuer) => [redirectUri(`http://relay.localhost:${relayPort}`, issuer)],
    post_logout_redirect_uris: [`http://relay.localhost:${relayPort}/oidc/signed-out`],
  }
}

export function configFor(issuer: string, more: Partial<OpenidConnectConfig> = {}): OpenidConnectConfig {
  return {
    issuer_url: issuer,
    client_id: 'relay',
    client_secret: new Secret('a client secret of some length, for HS256 too'),
    scopes: ['openid', 'profile', 'email', 'groups'],
    auth_id: authIdOf(issuer, 'relay'),
    idle_session_duration: 3_600_000,
    max_session_duration: 8 * 3_600_000,
    identity_jwt: true,
    email_verified: 'required',
    force_reauthentication: false,
    allow_cors_preflight: false,
    identity_groups: 'all',
    forward_access_token: false,
    ...more,
  }
}

/** Walks through the provider's page to the browser's final page. */
export async function signInAs(browser: Browser, url: string, username = 'ada') {
  const page = await browser.open(url)
  if (!page.url.includes('/sign-in/'))
    throw new Error(`not a sign-in page: ${page.url} HTTP ${page.status} ${page.body}`)
  return browser.submit(page, { username, password: PASSWORD })
}

export function testKeys(secret = 'relay key of the tests'): Keys {
  return new Keys(createHash('sha256').update(secret).digest())
}

/** An endless answer of the app. */
export async function openStream(port: number, host: string, cookie: string): Promise<IncomingMessage> {
  const request = httpRequest({ host: '127.0.0.1', port, path: '/hold', headers: { host: `${host}:${port}`, cookie } })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => {}) // cut off, as it should be
  response.resume()
  return response
}

/** Resolves when a condition has become true. */
export function until(condition: () => boolean): Promise<void> {
  return untilSo(String(condition), condition)
}
