// Checks everything between the app and the relay, in the order in which an agent needs it. It uses the agent's own
// connectRelay() and Session, which report their progress. A finding holds no secret: it names relay and proxy by their
// hosts, and the authtoken not at all.

import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'

import { ConfigError } from '@sallyport/protocol/config-error'
import { ProtocolError, printable } from '@sallyport/protocol'
import type { WebSocket } from 'ws'

import type { AgentPlan } from '../plan/agent-plan.ts'
import { AGENT_COMMAND } from '../agent-command.ts'
import { authorityOf, checkUpstream } from '../app/check-upstream.ts'
import { connectRelay } from '../relay/connect.ts'
import type { Milestone } from '../relay/connect.ts'
import { prepareDial } from '../app/dial-upstream.ts'
import { sayHello } from '../relay/say-hello.ts'
import { Session } from '../relay/session.ts'
import type { TunnelPlan } from '../plan/tunnel-plan.ts'

export interface Finding {
  check: Check
  verdict: 'ok' | 'warn' | 'fail' | 'untried'
  /** For people, with advice. */
  text: string
  /** How long it took. */
  ms?: number
}

export type Check = 'name' | 'tcp' | 'proxy' | 'tls' | 'WebSocket' | 'protocol' | 'authtoken' | 'clock' | 'app'

/** Behind a proxy: the proxy makes the connection, so its name must be resolved. */
const ORDER = ['name', 'tcp', 'proxy', 'tls', 'WebSocket', 'authtoken', 'protocol', 'clock'] as const
const APP_DEADLINE_MS = 10_000
const CLOSE_MS = 1000

// From here on programs' tokens are refused if `clock_tolerance` is not set.
const CLOCK_WARN_MS = 30_000
// The tolerance of the relay for a provider's clock in a sign-in.
const CLOCK_FAIL_MS = 150_000

const CURES: Readonly<Partial<Record<Check, string>>> = {
  name: 'Look for a slip in the name, and whether this machine resolves others.',
  tcp: 'Look whether the relay runs there, and whether a firewall is in between; if a proxy leads out, name it with --proxy-url.',
  proxy: 'The proxy is named by --proxy-url, SALLYPORT_PROXY_URL, agent.yml or HTTPS_PROXY.',
  WebSocket: 'Look whether --server names a relay, and whether a proxy or firewall in between lets WebSockets pass.',
}

/** Yields one finding after the other. Never rejects because of a finding. */
export async function diagnose(plan: AgentPlan, tell: (finding: Finding) => void): Promise<void> {
  const { relay, proxy, warnings } = plan
  const told = new Set<Check>()
  let since = performance.now()
  const say = (check: Check, verdict: Finding['verdict'], text: string): void => {
    const ms = Math.round(performance.now() - since)
    since = performance.now()
    told.add(check)
    tell({ check, verdict, text, ms })
  }
  const fail = (check: Check, { message }: Error): void => {
    const words = printable(message) // some are the relay's own
    const sentence = /[.!?]$/.test(words) ? words : `${words}.`
    say(check, 'fail', [sentence, CURES[check]].filter((part) => part !== undefined).join(' '))
  }

  if (!proxy) say('proxy', warnings.length > 0 ? 'warn' : 'ok', warnings.join(' ') || 'none leads to the relay')
  const host = proxy ? proxy.hostname.replace(/^\[(.*)\]$/, '$1') : relay.hostname
  if (isIP(host) !== 0) say('name', 'ok', `${host} is an address`)
  // The proxy gets the relay's name, and makes the connection.
  if (proxy) told.add('tcp')

  let answer: { skewMs: number } | 'without a date' | undefined
  const onMilestone = (milestone: Milestone): void => {
    switch (milestone.step) {
      case 'name':
        return say('name', 'ok', `${host} is ${milestone.addresses.join(', ')}`)
      case 'tcp':
        say('tcp', 'ok', `connected to ${milestone.address}, port ${relay.port}`)
        if (!relay.tls) sayClear()
        return
      case 'proxy':
        say('proxy', 'ok', `${proxy?.host} has connected to ${relay.hostname}, port ${relay.port}`)
        if (!relay.tls) sayClear()
        return
      case 'tls':
        return say('tls', 'ok', `${milestone.protocol}, with a certificate until ${printable(milestone.validTo)}`)
      case 'answer': {
        const date = Date.parse(milestone.date ?? '')
        answer = Number.isNaN(date) ? 'without a date' : { skewMs: Date.now() - date }
      }
    }
  }
  function sayClear(): void {
    if (!relay.inClear) return say('tls', 'ok', 'none is needed on this machine')
    say('tls', 'warn', `${relay.url} is not encrypted: authtoken and traffic cross the network in clear. Use https://.`)
  }

  const { signal } = new AbortController()
  const connected = await connectRelay({ ...plan, signal, onMilestone })
  if (connected.ok) {
    say('WebSocket', 'ok', `${relay.url} has opened one`)
    say('authtoken', 'ok', 'the relay takes it; whether it permits a tunnel shows when that starts')
    try {
      say('protocol', 'ok', await openSession(connected.socket, signal))
    } catch (error) {
      fail('protocol', error as Error) // Session.open() rejects with ProtocolErrors
    }
  } else {
    const { error } = connected
    const missed = answer ? judge(error) : (ORDER.find((check) => !told.has(check)) ?? 'WebSocket')
    if (missed !== 'WebSocket' && answer) say('WebSocket', 'ok', `a relay answers at ${relay.url}`)
    fail(missed, error)
  }
  if (answer) sayClock(answer, say)
  for (const check of ORDER)
    if (!told.has(check)) tell({ check, verdict: 'untried', text: 'depends on a check that failed above' })

  since = performance.now()
  const [tunnel] = plan.tunnels
  if (tunnel) return sayApp(tunnel, say)
  tell({ check: 'app', verdict: 'untried', text: `give its address, as in: ${AGENT_COMMAND} diagnose 3000` })
}

type Say = (check: Check, verdict: Finding['verdict'], text: string) => void

/** The check to which a refusing answer belongs. */
function judge({ code, retryable }: ProtocolError): Check {
  if (code === 'version_unsupported') return 'protocol'
  return retryable ? 'WebSocket' : 'authtoken'
}

/** A session without tunnels: hello, welcome, goodbye. */
async function openSession(socket: WebSocket, signal: AbortSignal): Promise<string> {
  const session = await Session.open({
    socket,
    hello: sayHello(randomUUID(), 0),
    binds: new Map(),
    serve: async (stream) => stream.destroy(), // a relay has nothing for an agent without tunnels
    onNotice: () => {}, // the relay's words for agents that serve
    signal,
  })
  const { version, relay_version: relayVersion } = session.welcome ?? {}
  await session.close(CLOSE_MS)
  return `version ${version} with relay ${relayVersion}`
}

function sayClock(answer: { skewMs: number } | 'without a date', say: Say): void {
  if (answer === 'without a date') return say('clock', 'ok', 'not compared: the answer had no date')
  const { skewMs } = answer
  const seconds = Math.round(Math.abs(skewMs) / 1000)
  if (seconds * 1000 < CLOCK_WARN_MS) return say('clock', 'ok', `within ${seconds} s of the relay's`)
  const way = skewMs > 0 ? 'ahead of' : 'behind'
  say(
    'clock',
    seconds * 1000 < CLOCK_FAIL_MS ? 'warn' : 'fail',
    `This machine's clock is ${seconds} s ${way} the relay's. Set both by NTP: certificates, sign-ins and tokens go by them.`,
  )
}

async function sayApp(tunnel: TunnelPlan, say: Say): Promise<void> {
  const { upstream, upstreamTls, upstreamProtocol: protocol, hostHeader } = tunnel
  try {
    const dial = prepareDial(upstream, upstreamTls, protocol)
    const check = { dial, protocol, authority: authorityOf(upstream, hostHeader), path: '/' }
    const { status, detail } = await checkUpstream(check, APP_DEADLINE_MS, new AbortController().signal)
    if (status === undefined) {
      return say('app', 'fail', `${detail}. Start the app, or give the address where it listens.`)
    }
    if (status >= 500) return say('app', 'warn', `${detail} at ${upstream.url}. Its own log says why.`)
    say('app', 'ok', `${detail} at ${upstream.url}`)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    say('app', 'fail', error.problems.map(({ message }) => message).join(' ')) // of a directory
  }
}
