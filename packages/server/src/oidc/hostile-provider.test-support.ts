// A provider that answers as a test tells it. It asks for no password: its authorization endpoint sends
// the browser straight back with a code.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { SignJWT, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'

export interface HostileProvider {
  issuer: string
  key: CryptoKey
  publicJwk: JWK
  /** Changes the next answers. */
  behave: Behaviour
  /** Paths asked for, in order. */
  asked: string[]
  /** The forms posted to the token endpoint. */
  redeemed: URLSearchParams[]
  /** A token, with good claims by default. */
  idToken(claims?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  close(): Promise<void>
}

export interface Behaviour {
  metadata?: Record<string, unknown>
  /** Instead of the good ID token; gets the nonce of the sign-in. */
  idToken?: (nonce: string) => Promise<string | undefined> | string | undefined
  tokenAnswer?: { status: number; body: string }
  /** Members to add to, or replace in, the answer of the token endpoint. */
  tokenMembers?: Record<string, unknown>
  /** The id and secret that Basic credentials must hold unencoded: Glewlwyd 2.7.5 does not decode them. */
  undecoded?: string
  /** The answer to another client secret than this, or another way of sending it. */
  refusal?: { secret: string; by?: 'basic' | 'post'; status: number; body: string }
  /** Given at the sign-in, and used for refreshes afterwards. */
  refreshToken?: string
  userInfo?: Record<string, unknown>
  /** Changes the address to which the browser is sent back. */
  back?: (callback: URL) => void
  /** Answers a path in its own way. */
  answer?: Record<string, (response: ServerResponse) => void>
}

export async function startHostileProvider(): Promise<HostileProvider> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: 'k1', use: 'sig', alg: 'RS256' }
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listening on TCP
  const asked: string[] = []
  const redeemed: URLSearchParams[] = []
  let challenge = ''
  let nonce = ''

  const hostile: HostileProvider = {
    issuer,
    key: privateKey,
    publicJwk,
    behave: {},
    asked,
    redeemed,
    idToken: (claims = {}, header = {}) =>
      new SignJWT({
        iss: issuer,
        aud: 'relay',
        sub: 'user-1',
        nonce,
        email: 'ada@example.com',
        email_verified: true,
        name: 'Ada',
        groups: [],
        ...claims,
      })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header })
        .setIssuedAt((claims.iat as number | undefined) ?? Math.floor(Date.now() / 1000))
        .setExpirationTime((claims.exp as number | undefined) ?? '5 minutes')
        .sign(privateKey),
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }

  server.on('request', (request, response) => {
    const url = new URL(request.url ?? '/', issuer)
    asked.push(url.pathname)
    const json = (body: unknown, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const special = hostile.behave.answer?.[url.pathname]
    if (special) return special(response)
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return json({
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
          ...hostile.behave.metadata,
        })
      case '/jwks':
        return json({ keys: [publicJwk] })
      case '/authorize': {
        challenge = url.searchParams.get('code_challenge') ?? ''
        nonce = url.searchParams.get('nonce') ?? ''
        const callback = new URL(url.searchParams.get('redirect_uri') ?? '')
        callback.searchParams.set('code', 'code-1')
        callback.searchParams.set('state', url.searchParams.get('state') ?? '')
        hostile.behave.back?.(callback)
        response.writeHead(302, { location: callback.href })
        return response.end()
      }
      case '/token': {
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => {
          const form = new URLSearchParams(Buffer.concat(chunks).toString())
          redeemed.push(form)
          const { tokenAnswer, tokenMembers, undecoded, idToken, refreshToken, refusal } = hostile.behave
          const credentials = Buffer.from(request.headers.authorization?.slice('Basic '.length) ?? '', 'base64')
          if (undecoded !== undefined && credentials.toString() !== undecoded) {
            response.writeHead(403, { 'content-type': 'application/json' }) // Glewlwyd’s words
            return response.end('{"error":"unauthorized_client"}')
          }
          const shown = secretIn(request.headers.authorization, form)
          if (refusal && (shown.secret !== refusal.secret || shown.by !== (refusal.by ?? shown.by))) {
            response.writeHead(refusal.status, { 'content-type': 'application/json' })
            return response.end(refusal.body)
          }
          if (tokenAnswer) {
            response.writeHead(tokenAnswer.status, { 'content-type': 'application/json' })
            return response.end(tokenAnswer.body)
          }
          const verifier = createHash('sha256')
            .update(form.get('code_verifier') ?? '')
            .digest('base64url')
          const isRefresh = form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === refreshToken
          if (verifier !== challenge && !isRefresh)
            return json({ error: 'invalid_grant', error_description: 'PKCE' }, 400)
          void Promise.resolve(idToken ? idToken(nonce) : hostile.idToken()).then((id_token) =>
            json({
              access_token: 'at',
              token_type: 'Bearer',
              ...(id_token !== undefined && { id_token }),
              ...(refreshToken !== undefined && { refresh_token: refreshToken }),
              ...tokenMembers,
            }),
          )
        })
        return
      }
      case '/userinfo':
        return json(hostile.behave.userInfo ?? {})
      default:
        return json({}, 404)
    }
  })
  return hostile
}

function secretIn(authorization: string | undefined, form: URLSearchParams): { secret: string; by: 'basic' | 'post' } {
  const inForm = form.get('client_secret')
  if (inForm !== null) return { secret: inForm, by: 'post' }
  const pair = Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64').toString()
  const encoded = pair.slice(pair.indexOf(':') + 1).replaceAll('+', ' ')
  return { secret: decodeURIComponent(encoded), by: 'basic' }
}
