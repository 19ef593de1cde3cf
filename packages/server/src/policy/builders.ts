// The second half of the table of actions: the builders, for requests, responses and connections. A kind without a builder,
// or the reverse, does not compile.

import { addHeaders } from './add-headers/add-headers.ts'
import { anyOf } from './any-of/any-of.ts'
import { basicAuth } from './basic-auth/basic-auth.ts'
import type { BuildersOf, ConnectionBuildersOf, ResponseBuildersOf } from './builder.ts'
import { closeConnection, closeNewConnection } from './close-connection/close-connection.ts'
import { compressResponse } from './compress-response/compress-response.ts'
import { customResponse, replaceResponse } from './custom-response/custom-response.ts'
import { circuitBreaker } from './circuit-breaker/circuit-breaker.ts'
import { deny, denyConnection } from './deny/deny.ts'
import { forwardInternal } from './forward-internal/forward-internal.ts'
import { editRequest, editResponse } from './headers/edits-of.ts'
import { httpRequest, httpRequestOnAnswer } from './http-request/http-request.ts'
import { jwtValidation } from './jwt-validation/jwt-validation.ts'
import type { KINDS } from './kinds.ts'
import { logConnection, logRequest, logResponse } from './log/log.ts'
import { openidConnect } from './openid-connect/openid-connect.ts'
import { rateLimit } from './rate-limit/rate-limit.ts'
import { redirect } from './redirect/redirect.ts'
import { removeHeaders } from './remove-headers/remove-headers.ts'
import { restrictConnections, restrictIps, restrictResponses } from './restrict-ips/restrict-ips.ts'
import { serviceToken } from './service-token/service-token.ts'
import { setConnectionVars, setResponseVars, setVars } from './set-vars/set-vars.ts'
import { setHeaders } from './set-headers/set-headers.ts'
import { terminateTls } from './terminate-tls/terminate-tls.ts'
import { urlRewrite } from './url-rewrite/url-rewrite.ts'
import { verifyWebhook } from './verify-webhook/verify-webhook.ts'

export const BUILDERS: BuildersOf<typeof KINDS> = {
  'openid-connect': (config, site) => openidConnect(config, site),
  oauth: (config, site) => openidConnect(config, site, 'oauth'),
  'service-token': serviceToken,
  'jwt-validation': jwtValidation,
  'basic-auth': basicAuth,
  'restrict-ips': restrictIps,
  'verify-webhook': verifyWebhook,
  'any-of': ({ actions }, { build }) => anyOf(actions.map(build)),
  'rate-limit': rateLimit,
  'circuit-breaker': circuitBreaker,
  deny,
  'close-connection': closeConnection,
  'custom-response': customResponse,
  'forward-internal': forwardInternal,
  'http-request': httpRequest,
  redirect,
  'url-rewrite': urlRewrite,
  'add-headers': (config, site) => editRequest(addHeaders(config, 'on_http_request', site)),
  'set-headers': (config, site) => editRequest(setHeaders(config, 'on_http_request', site)),
  'remove-headers': (config, site) => editRequest(removeHeaders(config, site)),
  'set-vars': setVars,
  log: logRequest,
}

export const CONNECTION_BUILDERS: ConnectionBuildersOf<typeof KINDS> = {
  'restrict-ips': restrictConnections,
  deny: denyConnection,
  'close-connection': closeNewConnection,
  'set-vars': setConnectionVars,
  log: logConnection,
  // edge/check-tls.ts has compared the connection with it before.
  'terminate-tls': terminateTls,
}

export const RESPONSE_BUILDERS: ResponseBuildersOf<typeof KINDS> = {
  'add-headers': (config, site) => editResponse(addHeaders(config, 'on_http_response', site)),
  'set-headers': (config, site) => editResponse(setHeaders(config, 'on_http_response', site)),
  'remove-headers': (config, site) => editResponse(removeHeaders(config, site)),
  'restrict-ips': restrictResponses,
  'compress-response': compressResponse,
  'custom-response': replaceResponse,
  'http-request': httpRequestOnAnswer,
  'set-vars': setResponseVars,
  log: logResponse,
}
