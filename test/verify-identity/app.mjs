// An app that answers only visitors whom the relay vouches for. Needs: npm install jose
import { createServer } from 'node:http'

import { createRemoteJWKSet, jwtVerify } from 'jose'

const relay = process.env.RELAY_URL // public_url of the relay, without a slash at its end
const edge = process.env.EDGE_ID // the edge that leads to this app
const keys = createRemoteJWKSet(new URL(`${relay}/.well-known/jwks.json`)) // fetched when first needed, then kept

/** The visitor. Throws if the relay does not vouch for them. */
async function visitorOf(request) {
  const token = request.headers['sallyport-auth-jwt'] ?? ''
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ['ES256'],
    issuer: relay,
    audience: edge,
    requiredClaims: ['sub', 'exp'],
    clockTolerance: 30,
  })
  return payload
}

const server = createServer(async (request, response) => {
  try {
    const visitor = await visitorOf(request)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(visitor))
  } catch (error) {
    response.writeHead(401, { 'content-type': 'text/plain' }).end(`not through the relay: ${error.message}\n`)
  }
})
server.listen(Number(process.env.PORT ?? 8000), '127.0.0.1', () => console.log(`listening on ${server.address().port}`))
