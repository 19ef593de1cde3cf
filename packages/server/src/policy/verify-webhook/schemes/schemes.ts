// The table of providers: how each of them signs. The configuration imports it for its rules.

import type { SupportedProvider } from '../providers.ts'
import { gitlab } from './gitlab.ts'
import { headerNamed, hmac, inHeader, listedInHeader } from './hmac.ts'
import { hubspot } from './hubspot.ts'
import type { Scheme } from './scheme.ts'
import { sendgrid } from './sendgrid.ts'
import { standardWebhooks } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'
import { twilio } from './twilio.ts'
import { zoom } from './zoom.ts'

/** support.atlassian.com/bitbucket-cloud/docs/manage-webhooks, "Secure webhooks"; Jira does the same. */
const atlassian = hmac({ algorithm: 'sha256', encoding: 'hex', signaturesOf: inHeader('x-hub-signature', 'sha256=') })
const svix = standardWebhooks(['svix', 'webhook'])

export const SCHEMES: Readonly<Record<SupportedProvider, Scheme>> = {
  // docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
  github: hmac({
    algorithm: 'sha256',
    encoding: 'hex',
    signaturesOf: inHeader('x-hub-signature-256', 'sha256='),
  }),
  gitlab,
  bitbucket: atlassian,
  jira: atlassian,
  stripe,
  // docs.slack.dev/authentication/verifying-requests-from-slack
  slack: hmac({
    algorithm: 'sha256',
    encoding: 'hex',
    signaturesOf: inHeader('x-slack-signature', 'v0='),
    timestamp: { of: headerNamed('x-slack-request-timestamp'), unitMs: 1000, toleranceMs: 5 * 60_000 },
    before: (_, timestamp) => `v0:${timestamp}:`,
  }),
  // shopify.dev/docs/apps/build/webhooks/subscribe/https
  shopify: hmac({ algorithm: 'sha256', encoding: 'base64', signaturesOf: inHeader('x-shopify-hmac-sha256') }),
  twilio,
  sendgrid,
  svix,
  clerk: svix,
  zoom,
  hubspot,
  // docs.pagerduty.com, "Verifying webhook signatures": two while a secret is changed
  pagerduty: hmac({
    algorithm: 'sha256',
    encoding: 'hex',
    signaturesOf: listedInHeader('x-pagerduty-signature', 'v1=', ','),
  }),
  // developer.squareup.com/docs/webhooks/step3validate
  square: hmac({
    algorithm: 'sha256',
    encoding: 'base64',
    signaturesOf: inHeader('x-square-hmacsha256-signature'),
    before: ({ url }) => url,
  }),
}
