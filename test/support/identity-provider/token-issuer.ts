// An issuer of tokens for programs: a discovery document, a key set, and tokens with the claims of a test's choice.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { SignJWT, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'

type Algorithm = 'RS256' | 'ES256'

export class TokenIssuer {
  readonly url: string
  /** Paths that were asked for, in order. */
  readonly asked: string[] = []
  /** Takes part in the discovery document. */
  metadata: Record<string, unknown> = {}
  isDown = false
  readonly #server: Server
  readonly #keys = new Map<string, { privateKey: CryptoKey; publicJwk: JWK; alg: Algorithm }>()

  static async start(): Promise<TokenIssuer> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const issuer = new TokenIssuer(server)
    await issuer.addKey('first', 'ES256')
    return issuer
  }

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on a port
    server.on('request', (request, response) => {
      this.asked.push(request.url ?? '')
      if (this.isDown) return response.writeHead(503).end()
      response.setHeader('content-type', 'application/json')
      if (request.url === '/jwks') return response.end(JSON.stringify(this.jwks))
      if (request.url !== '/.well-known/openid-configuration') return response.writeHead(404).end('{}')
      return response.end(JSON.stringify({ issuer: this.url, jwks_uri: `${this.url}/jwks`, ...this.metadata }))
    })
  }

  get jwks(): { keys: JWK[] } {
    return { keys: [...this.#keys.values()].map(({ publicJwk }) => publicJwk) }
  }

  async addKey(kid: string, alg: Algorithm): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    this.#keys.set(kid, { privateKey, alg, publicJwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg } })
  }

  removeKey(kid: string): void {
    this.#keys.delete(kid)
  }

  /** A token with good claims unless told otherwise; a claim that is undefined is left out. */
  async token(
    claims: Record<string, unknown> = {},
    { kid = 'first', ...header }: { kid?: string; typ?: string } = {},
  ): Promise<string> {
    const key = this.#keys.get(kid) ?? this.#keys.get('first')!
    const now = Math.floor(Date.now() / 1000)
    const whole = { iss: this.url, aud: 'api://docs', sub: 'job-1', iat: now, exp: now + 300, ...claims }
    const kept = Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined))
    return new SignJWT(kept).setProtectedHeader({ alg: key.alg, kid, ...header }).sign(key.privateKey)
  }

  close(): void {
    this.#server.close().closeAllConnections()
  }
}
