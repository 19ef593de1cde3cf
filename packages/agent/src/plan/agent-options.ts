// The options of an agent, before they are checked. Programs that embed the agent get these types, so they name nothing
// of the protocol.

import type { Environment } from './proxy.ts'

export interface AgentOptions {
  /** The relay: `https://relay.example.com`. */
  server: string | undefined
  authtoken: string | undefined
  tunnels: readonly TunnelOptions[]
  /** To the relay: 1 to 16; 2 by default. If one stalls or is lost, the others serve. */
  connections?: number | undefined
  /** PEM text of a further authority for the relay's certificate. */
  ca?: string | undefined
  proxyUrl?: string | undefined
  /** The environment for HTTPS_PROXY and similar, and for `${NAME}` in a policy; empty by default. */
  environment?: Environment | undefined
  /**
   * By vault and name, for `secrets.get(vault, name)` in policies; `${NAME}` is a variable of the environment. They are
   * sent only with a policy that reads secrets.
   */
  secrets?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
}

export interface TunnelOptions {
  /** The app: `8000`, `localhost:8000`, `http://…`, `https://…`, `unix:/path`, `file:///dir`. */
  upstream: string
  /** Each `key=value`: edges of the relay that select them send visitors here. */
  labels?: readonly string[] | undefined
  /** An endpoint of its own instead of labels. */
  endpoint?: EndpointOptions | undefined
  name?: string | undefined
  metadata?: string | undefined
  /** 0 to 10 000; 1 by default. */
  weight?: number | undefined
  /** A path that the agent asks its app for, to tell the relay whether it is healthy; without it nothing is checked. */
  healthPath?: string | undefined
  /** Between two checks; 10 s by default. */
  healthIntervalMs?: number | undefined
  /** For one check; 5 s by default. */
  healthTimeoutMs?: number | undefined
  /** Passed checks in a row until the tunnel is healthy again; 2 by default. */
  healthHealthy?: number | undefined
  /** Failed checks in a row until the tunnel is unhealthy; 3 by default. */
  healthUnhealthy?: number | undefined
  /** `preserve` (the visitor's Host, the default), `rewrite` (the upstream's), or a value. */
  hostHeader?: string | undefined
  /** The app's protocol: HTTP/1.1 (the default), or HTTP/2, in cleartext with prior knowledge. */
  upstreamProtocol?: 'http1' | 'http2' | undefined
  /** PEM text of a further authority for an https upstream. */
  upstreamCa?: string | undefined
  /** Whether an https upstream's certificate is checked; true by default. */
  upstreamTlsVerify?: boolean | undefined
  /** Each `sha256/BASE64` of a public key (SPKI) that an https upstream may have; replaces the check of its certificate. */
  upstreamPins?: readonly string[] | undefined
}

export interface EndpointOptions extends HttpPolicyOptions {
  /** `https://name.example.com`; without it the relay chooses a host. */
  url?: string | undefined
  /** The host alone; an older form of `url`. */
  domain?: string | undefined
  /** The same; older still. */
  hostname?: string | undefined
  /** Whether other agents with the same flags may serve it, too. */
  pooling?: boolean | undefined
}

/** The text of a policy in YAML or JSON, as ngrok's agent takes it. */
export interface PolicyText {
  text: string
  /** The name that people use for it: the file's name. */
  source: string
}

export interface HttpPolicyOptions {
  /** The whole policy; nothing else of it can be given then. */
  trafficPolicy?: PolicyText | undefined
  /** The issuer, exactly as the identity provider writes it. With it, visitors sign in there first. */
  oidc?: string | undefined
  oidcClientId?: string | undefined
  /** Without it the client is public. */
  oidcClientSecret?: string | undefined
  oidcScopes?: readonly string[] | undefined
  /** The people who may pass after signing in; one match is enough. */
  oidcAllowEmails?: readonly string[] | undefined
  oidcAllowDomains?: readonly string[] | undefined
  oidcAllowGroups?: readonly string[] | undefined
  /** The claim that lists the groups; `groups` by default. */
  oidcGroupClaim?: string | undefined
  /** `HS256` if the provider signs ID tokens with the client secret. */
  oidcIdTokenAlg?: string | undefined
  /** The provider at which visitors sign in, by its name: `google`. Instead of `oidc`. */
  oauth?: string | undefined
  oauthClientId?: string | undefined
  oauthClientSecret?: string | undefined
  /** The id of the tenant at `microsoft`. */
  oauthTenant?: string | undefined
  oauthScopes?: readonly string[] | undefined
  /** Who may pass after signing in there; one match is enough. */
  oauthAllowEmails?: readonly string[] | undefined
  oauthAllowDomains?: readonly string[] | undefined
  /** How long a session lasts, used or not: `8h`. */
  maxSessionDuration?: string | undefined
  /** How long a session lasts without use. */
  idleSessionDuration?: string | undefined
  /** Whether every sign-in asks for the credentials again. */
  forceReauthentication?: boolean | undefined
  /** Each `user:password`, or a hash instead of the password. Visitors have to know one. */
  basicAuth?: readonly string[] | undefined
  /** PEM text of authorities: visitors need a certificate that one of them has signed. */
  mutualTlsCas?: string | undefined
  cidrAllow?: readonly string[] | undefined
  cidrDeny?: readonly string[] | undefined
  /** Regular expressions of RE2: one of them has to match the visitor's `User-Agent`. */
  uaFilterAllow?: readonly string[] | undefined
  /** The same; none of them may match. */
  uaFilterDeny?: readonly string[] | undefined
  /** The provider whose signed webhooks alone may pass. */
  verifyWebhook?: string | undefined
  verifyWebhookSecret?: string | undefined
  /** The share of faulty answers, 0 to 1, at which the app gets a pause. */
  circuitBreaker?: string | undefined
  /** Each `Name: value`. */
  requestHeaderAdd?: readonly string[] | undefined
  requestHeaderRemove?: readonly string[] | undefined
  responseHeaderAdd?: readonly string[] | undefined
  responseHeaderRemove?: readonly string[] | undefined
  /** Whether the relay compresses answers on their way to visitors. */
  compression?: boolean | undefined
}
