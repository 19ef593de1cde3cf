// The schema of relay.yml, with defaults and the sentences of docs/configuration.md; the larger sections are in
// schema/, edges in model/. It checks each value alone; check-config.ts checks values against each other. Pure: no I/O,
// no clock.

import { z } from 'zod'

import { hostPatternProblem } from '../values/host-pattern.ts'
import { isInternalHost } from '../values/hosts/internal-host.ts'
import { LOG_FORMATS, LOG_LEVELS } from './log-words.ts'
import { authoritiesSchema } from './schema/authorities-schema.ts'
import { limitsSchema } from './schema/limits-schema.ts'
import { listenSchema } from './schema/listen-schema.ts'
import { pageDetailsSchema, pagesSchema } from '../model/schema/pages-schema.ts'
import { geoSchema, ipListsSchema, ipPoliciesSchema, regionSchema, secretsSchema } from './schema/sources-schema.ts'
import { timeoutsSchema } from './schema/timeouts-schema.ts'
import { cidr, flag, text, wholeNumber } from '../values/value-schemas.ts'
import { workersSchema } from './schema/workers-schema.ts'

const HSTS_MAX_SECONDS = 63_072_000 // two years, the longest recommended time

export const configSchema = z.strictObject({
  domain: text()
    .toLowerCase()
    .superRefine((domain, context) => {
      const problem = domain.startsWith('*.') ? `leave the *. away: ${domain.slice(2)}` : hostPatternProblem(domain)
      if (problem) context.addIssue(problem)
      else if (isInternalHost(`.${domain}`)) {
        context.addIssue(
          'ends in .internal, whose hosts are internal endpoints, which no visitor reaches; choose another domain',
        )
      }
    })
    .describe('The domain of the relay. Edges may name any host, under it or not.')
    .meta({ examples: ['example.com'] }),
  public_url: z
    .string()
    .describe(
      'The origin at which agents and sign-in callbacks reach the relay. The redirect URI to register at an identity provider is below `<public_url>/oidc/callback/`; `relay oidc redirect-uri` prints it.',
    )
    .meta({ examples: ['https://relay.example.com'] })
    .transform((written, context) => {
      const parsed = publicUrl(written)
      if (parsed instanceof URL) return parsed
      context.addIssue(parsed)
      return z.NEVER
    }),
  listen: listenSchema
    .describe('Where the relay listens: `host:port`, or a port alone.')
    .meta({ examples: ['{ http: 0.0.0.0:80 }'] }),
  tls: z
    .strictObject({
      certificates: z
        .array(
          z.strictObject({
            cert_file: text()
              .describe('PEM, the certificate of the host first, then the chain.')
              .meta({ examples: ['/etc/sallyport/example.com.crt'] }),
            key_file: text()
              .describe('PEM, the private key.')
              .meta({ examples: ['/etc/sallyport/example.com.key'] }),
          }),
        )
        .default([])
        .describe(
          'Chosen by the host that a visitor asks for; the first one serves all other hosts. Read again when the files change. `relay check` refuses an expired one, although `relay start` still serves it; it warns for 14 days before, and about hosts without one. `sallyport_certificate_expiry_timestamp_seconds` has the expiry of each.',
        ),
      hsts_seconds: wholeNumber(0, HSTS_MAX_SECONDS)
        .default(0)
        .describe(
          'How long browsers stay with https on a host by themselves, once they have been there (`Strict-Transport-Security`). With 0 the header is not sent. Sent with every answer over https, the relay’s own included; behind a trusted proxy, if that says https. You cannot take a value back before it expires: begin with a small one.',
        ),
    })
    .prefault({})
    .describe(
      'Certificates for `listen.https`, and related settings. Relative paths start at the folder of the configuration file.',
    ),
  certificate_authorities: authoritiesSchema.default({}),
  store: text()
    .superRefine((store, context) => {
      if (!/^sqlite:.+/.test(store) || store.startsWith('sqlite://'))
        context.addIssue('must be sqlite: and the path of a file, for example sqlite:/var/lib/sallyport/relay.db')
    })
    .exactOptional()
    .describe(
      'The database of authtokens and sessions. By default `sallyport/relay.db` in `XDG_DATA_HOME` or `~/.local/share`. The key of the relay is in the same folder, unless `SALLYPORT_SECRET` is set.',
    ),
  workers: workersSchema
    .default(1)
    .describe(
      'How many processes serve, sharing the ports: a number, or `auto` for one on each core. The keys of `limits` count for each, and each takes the memory of a relay. `relay start --workers` overrides it. Linux and BSD only.',
    ),
  trusted_proxies: z
    .array(cidr())
    .default([])
    .describe(
      'Address ranges of proxies in front of the relay whose `X-Forwarded-For` and `X-Forwarded-Proto` the relay believes. None by default.',
    ),
  require_sign_in: flag()
    .default(false)
    .describe(
      'Whether `agent http` may only make endpoints where visitors sign in (`--oidc`). Edges of this file are not affected.',
    ),
  endpoints: z
    .strictObject({
      private_issuers: z
        .array(cidr())
        .default([])
        .describe(
          'Address ranges of private networks in which identity providers of `agent http --oidc` may be, such as `[10.0.5.0/24]`. By default they must be on the internet, or the holder of an authtoken could explore your network. Loopback, link-local and metadata addresses are refused in any case.',
        ),
    })
    .prefault({})
    .describe('Endpoints that agents bring (`agent http`).'),
  pages: pagesSchema
    .prefault({})
    .describe('The look of the relay’s own pages. [Pages](pages.md) has pictures. An edge may override each key.'),
  page_details: pageDetailsSchema
    .default('local')
    .describe(
      'Who sees details for the operator, on pages and in problem documents: labels, commands, how many tunnels were tried. `local`: visitors from this machine, if no proxy has passed the request on. `full`: everybody. `none`: nobody; for a relay behind a program on the same machine that forwards connections without adding a header.',
    ),
  identity_jwt: flag()
    .default(true)
    .describe('Whether apps get the signed identity of a visitor as `Sallyport-Auth-Jwt`. Actions may override it.'),
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default('info').describe('The lowest level that is written.'),
      access: flag()
        .default(true)
        .describe(
          'Whether each exchange is written as a line, without query and headers. Exchanges with errors always are.',
        ),
      format: z
        .enum(LOG_FORMATS)
        .exactOptional()
        .describe(
          'By default pretty on a terminal and json elsewhere. Pretty is one line for each request, with colours on a terminal that has them (`NO_COLOR` and `TERM=dumb` turn them off).',
        ),
    })
    .prefault({})
    .describe('The log, on standard output.'),
  limits: limitsSchema.prefault({}).describe('Maximum sizes and numbers. Nothing in the relay is without a limit.'),
  timeouts: timeoutsSchema.prefault({}).describe('In seconds; decimals are allowed.'),
  region: regionSchema.exactOptional(),
  secrets: secretsSchema.default(new Map()),
  geo: geoSchema.prefault({}),
  ip_lists: ipListsSchema.default(new Map()),
  ip_policies: ipPoliciesSchema.default(new Map()),
  edges: z
    .array(z.unknown()) // read by model/read-edges.ts
    .meta({ examples: ['[{ id: edg_docs, hosts: [docs.example.com] }]'] })
    .default([])
    .describe('The public entries.'),
})

function publicUrl(written: string): URL | string {
  const url = URL.parse(written)
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return `"${written}" is not an http or https URL; write for example https://relay.example.com`
  }
  if (url.pathname !== '/' || url.search || url.hash || url.username || url.password) {
    return `must name scheme, host and port only; write ${url.origin}`
  }
  return url
}
