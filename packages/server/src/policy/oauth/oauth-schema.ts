// The schema of an `oauth`: the keys of ngrok's action, and those of `openid-connect` that go with every provider.
// Pure: no I/O, no clock.

import { z } from 'zod'

import { duration, edgeProblem, reporting, text } from '../../values/value-schemas.ts'
import { scopes, signInShape } from '../openid-connect/openid-connect-schema.ts'
import { peopleSchema } from '../openid-connect/people-schema.ts'
import { OAUTH_NAMES, refusedProvider } from './oauth-providers.ts'

const {
  client_secret,
  auth_id,
  authz_url_params,
  force_reauthentication,
  auth_cookie_domain,
  allow_cors_preflight,
  max_session_duration,
  userinfo_refresh_interval,
  allow,
  deny,
  email_verified,
  allowed_origins,
  identity_jwt,
  identity_groups,
  forward_access_token,
  title,
} = signInShape

const people = peopleSchema('allow').shape

export const oauthSchema = z.strictObject({
  provider: z
    .enum(OAUTH_NAMES, {
      error: ({ input }) => (typeof input === 'string' ? refusedProvider(input) : undefined),
    })
    .describe('The identity provider.'),
  tenant: text()
    .regex(
      /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
      'is not the id of a tenant, which is shown as “Directory (tenant) ID”',
    )
    .toLowerCase()
    .exactOptional()
    .describe(
      'The tenant of `microsoft`, by its id: only its accounts sign in. ngrok has no such key, and takes all tenants.',
    ),
  client_id: text()
    .superRefine(reporting(edgeProblem))
    .exactOptional()
    .describe('The client id that the provider has issued. Required: ngrok’s own clients cannot be used here.'),
  client_secret,
  scopes: scopes().default([]).describe('Scopes to request in addition to those that identify the visitor.'),
  auth_id,
  authz_url_params,
  force_reauthentication,
  auth_cookie_domain,
  allow_cors_preflight,
  idle_session_timeout: duration().prefault('12h').describe('A session ends when it has not been used for so long.'),
  max_session_duration,
  userinfo_refresh_interval,
  email_addresses: people.emails.describe('Email addresses that may pass, as `allow.emails`.'),
  email_domains: people.domains.describe('Domains of email addresses that may pass, as `allow.domains`.'),
  allow,
  deny,
  email_verified,
  allowed_origins,
  identity_jwt,
  identity_groups,
  forward_access_token,
  title: title.describe(
    'The name from which visitors choose if there are several sign-ins. By default that of the provider.',
  ),
})

export type WrittenOauth = z.output<typeof oauthSchema>
