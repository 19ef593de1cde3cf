// The providers of webhooks: those that this relay can verify, and those that only ngrok can. Pure: no I/O, no clock.

export const SUPPORTED_PROVIDERS = [
  'github',
  'gitlab',
  'bitbucket',
  'jira',
  'stripe',
  'slack',
  'shopify',
  'twilio',
  'sendgrid',
  'svix',
  'clerk',
  'zoom',
  'hubspot',
  'pagerduty',
  'square',
] as const

export type SupportedProvider = (typeof SUPPORTED_PROVIDERS)[number]

/** ngrok docs, `verify-webhook`, "Supported providers". */
const OTHERS: ReadonlySet<string> = new Set(
  `aftership airship alchemy autodesk box bolt brex buildkite calendly castle chargify circleci clearbit coinbase contentful
  docusign dropbox facebook_graph_api facebook_messenger frameio go1 graphcms heroku hostedhooks instagram intercom
  launch_darkly linear mailchimp mailgun microsoft_teams modern_treasury mongodb mux orb orbit pinwheel plivo pusher sentry
  signal_sciences sns sonatype terraform tiktok trendmicro_conformity twitter typeform vmware webex whatsapp worldline
  xero`.split(/\s+/),
)

/** A sentence if only ngrok can verify this provider; otherwise undefined. */
export function unsupportedProvider(name: string): string | undefined {
  if (name === 'sns') {
    return 'sns signs with a certificate and has no secret, so this relay does not verify it; remove the action, and verify in the app'
  }
  if (!OTHERS.has(name)) return undefined
  return `${name} is a provider that this relay cannot verify; remove the action, and verify in the app. It can verify ${SUPPORTED_PROVIDERS.join(', ')}`
}
