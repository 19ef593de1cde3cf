// `limits:` of relay.yml: maximum sizes and numbers. Pure: no I/O, no clock.

import { z } from 'zod'

import { wholeNumber } from '../../values/value-schemas.ts'

const MIB = 1024 * 1024

export const limitsSchema = z.strictObject({
  header_bytes: count(
    32_768,
    1024,
    1024 * 1024,
    'Bytes of one request head from a visitor. More is answered with 431.',
  ),
  headers_count: count(200, 10, 10_000, 'Header fields of one request from a visitor. More is answered with 431.'),
  streams_per_connection: count(
    128,
    1,
    10_000,
    'Requests and WebSockets open at once on one HTTP/2 connection of a visitor. Further ones are refused.',
  ),
  visitor_connections: count(
    20_000,
    1,
    10_000_000,
    'Visitor connections open at once, over all listeners. Further ones get 503. Agents do not count here.',
  ),
  visitor_connections_per_address: count(
    2000,
    1,
    10_000_000,
    'Visitor connections open at once from one address, or from one /64 of IPv6. Further ones get 429. Agents do not count here.',
  ),
  exchanges_per_session: count(
    4096,
    1,
    1_000_000,
    'Streams open at once inside one tunnel session: requests, upgrades and idle pooled streams together. Further requests take another tunnel, or get 503.',
  ),
  agent_sessions: count(20_000, 1, 10_000_000, 'Tunnel sessions open at once. Further agents get 503 and try again.'),
  endpoints_per_authtoken: count(
    64,
    1,
    100_000,
    'Hosts that agents of one authtoken hold with `agent http`. A new host replaces one whose agent is away.',
  ),
  tunnels_per_agent: count(64, 1, 100_000, 'Tunnels of one agent, counted over all of its tunnel sessions.'),
  session_buffer_bytes: wholeNumber(MIB, 4096 * MIB)
    .optional()
    .describe(
      'Bytes that one tunnel session may hold for slow visitors: up to 256 KiB for each, 32 KiB from half of the cap on. From three quarters on, streams are reset that nobody has read for 10 seconds; at the cap, the stream that has stalled longest. By default a sixteenth of the heap limit of Node.js, which follows the memory of machine or container: 32 MiB up to 1 GiB of memory, 64 MiB with 2 GiB, 256 MiB at most. All sessions together may hold a quarter of it, divided among workers.',
    ),
  stream_window_bytes: count(
    16 * MIB,
    256 * 1024,
    1024 * MIB,
    'The largest window of one stream: the bytes that may be under way before they are read. Small streams never reach it.',
  ),
  idle_streams_per_tunnel: count(
    512,
    0,
    100_000,
    'Kept-alive streams that wait for the next request, for each tunnel. Each is a connection to the app, and they are never more than the requests under way at once a moment ago.',
  ),
  upstream_header_bytes: count(
    65_536,
    1024,
    1024 * 1024,
    'Bytes of one response head from an app. More is answered with 502.',
  ),
  request_buffer_bytes: count(
    65_536,
    0,
    16 * MIB,
    'Bytes of a request body kept until the agent has reached the app, so that the next tunnel can be tried.',
  ),
  held_body_bytes: count(
    MIB,
    1024,
    32 * MIB,
    'Bytes of a request body that an action reads in full before the request continues, as `verify-webhook` does. More is answered with 413. Bodies that are held at once may have 32 MiB for each edge or authtoken, and 128 MiB in all.',
  ),
  failed_agent_logins_per_minute: count(
    20,
    1,
    1_000_000,
    'Refused authtokens from one address in a minute, before 429.',
  ),
  failed_passwords_per_minute: count(
    20,
    1,
    1_000_000,
    'Attempts with passwords for `basic-auth` from one address in a minute, before 429. Each compared hash counts as one.',
  ),
  failed_passwords_per_user_per_minute: count(
    100,
    1,
    1_000_000,
    'Attempts with passwords for one user of `basic-auth` in a minute, from all addresses together, before 429. Addresses from which the user was let in before are excepted.',
  ),
  callbacks_per_minute: count(
    60,
    1,
    1_000_000,
    'Sign-in callbacks, or refused sign-outs by a provider, from one address in a minute, before 429.',
  ),
})

function count(preset: number, min: number, max: number, meaning: string) {
  return wholeNumber(min, max).default(preset).describe(meaning)
}

export type Limits = z.output<typeof limitsSchema>
/** A limit that may refuse visitors or agents: a key of `limits:`, or the system's open files. */
export type LimitName = keyof Limits | 'open_files'
