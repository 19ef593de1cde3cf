// The table of actions. The types of a policy, its schema and checks, the rights of agents and the sections of
// docs/configuration.md are derived from it. builders.ts has a line for each action as well.
// Pure: no I/O, no clock.

import { addHeadersKind } from './add-headers/kind.ts'
import { anyOfKind } from './any-of/kind.ts'
import { basicAuthKind } from './basic-auth/kind.ts'
import { closeConnectionKind } from './close-connection/kind.ts'
import { compressResponseKind } from './compress-response/kind.ts'
import { customResponseKind } from './custom-response/kind.ts'
import { circuitBreakerKind } from './circuit-breaker/kind.ts'
import { denyKind } from './deny/kind.ts'
import { jwtValidationKind } from './jwt-validation/kind.ts'
import { httpRequestKind } from './http-request/kind.ts'
import { forwardInternalKind } from './forward-internal/kind.ts'
import type { KindTable } from './kind.ts'
import { oauthKind } from './oauth/kind.ts'
import { openidConnectKind } from './openid-connect/kind.ts'
import { rateLimitKind } from './rate-limit/kind.ts'
import { redirectKind } from './redirect/kind.ts'
import { removeHeadersKind } from './remove-headers/kind.ts'
import { restrictIpsKind } from './restrict-ips/kind.ts'
import { serviceTokenKind } from './service-token/kind.ts'
import { logKind } from './log/kind.ts'
import { setVarsKind } from './set-vars/kind.ts'
import { setHeadersKind } from './set-headers/kind.ts'
import { terminateTlsKind } from './terminate-tls/kind.ts'
import { urlRewriteKind } from './url-rewrite/kind.ts'
import { verifyWebhookKind } from './verify-webhook/kind.ts'

export const KINDS = {
  'terminate-tls': terminateTlsKind,
  'openid-connect': openidConnectKind,
  oauth: oauthKind,
  'service-token': serviceTokenKind,
  'jwt-validation': jwtValidationKind,
  'basic-auth': basicAuthKind,
  'restrict-ips': restrictIpsKind,
  'verify-webhook': verifyWebhookKind,
  'any-of': anyOfKind,
  'rate-limit': rateLimitKind,
  'circuit-breaker': circuitBreakerKind,
  deny: denyKind,
  'close-connection': closeConnectionKind,
  'custom-response': customResponseKind,
  'forward-internal': forwardInternalKind,
  'http-request': httpRequestKind,
  redirect: redirectKind,
  'url-rewrite': urlRewriteKind,
  'add-headers': addHeadersKind,
  'set-headers': setHeadersKind,
  'remove-headers': removeHeadersKind,
  'set-vars': setVarsKind,
  log: logKind,
  'compress-response': compressResponseKind,
} satisfies KindTable
