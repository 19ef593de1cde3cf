// A real app behind sign-in, as its owner would set it up: identity provider, relay, one agent, and a visitor who has
// signed in. For tests of whole programs.

import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { Browser } from '../support/browser/browser.ts'

import { Processes } from '../support/processes.ts'
import type { RunningProcess } from '../support/running-process.ts'
import { signIn } from '../support/sign-in.ts'

export const HOST = 'app.localhost'

export interface SignedInAppOptions {
  /** Further edges; the first is edg_app with sign-in. */
  edges?: readonly object[]
  /** Further flags of the agent. */
  flags?: readonly string[]
  /** A page to sign in at; `/` by default. */
  path?: string
}

export class SignedInApp {
  readonly processes: Processes
  readonly visitor: Browser
  /** Of the edge, with sign-in in front. */
  readonly origin: string
  readonly #upstream: string
  readonly #flags: readonly string[]
  readonly #authtoken: string
  #agent: RunningProcess
  #starts = 1

  /** @param upstream the app's address */
  static async start(upstream: string, options: SignedInAppOptions = {}): Promise<SignedInApp> {
    const processes = await Processes.create()
    try {
      await processes.startProvider()
      await processes.startRelay({
        edges: [{ id: 'edg_app', hosts: [HOST], policy: processes.signIn() }, ...(options.edges ?? [])],
      })
      const authtoken = await processes.createAuthtoken()
      const flags = options.flags ?? []
      const agent = await processes.startAgent({
        authtoken,
        labels: ['edge=edg_app'],
        upstream,
        name: 'agent',
        flags,
      })
      const visitor = await signIn(`${processes.origin(HOST)}${options.path ?? '/'}`)
      return new SignedInApp({ processes, visitor, upstream, flags, authtoken, agent: agent.process })
    } catch (error) {
      await processes.close()
      throw error
    }
  }

  /** Use `SignedInApp.start`. */
  constructor(init: {
    processes: Processes
    visitor: Browser
    upstream: string
    flags: readonly string[]
    authtoken: string
    agent: RunningProcess
  }) {
    this.processes = init.processes
    this.visitor = init.visitor
    this.origin = init.processes.origin(HOST)
    this.#upstream = init.upstream
    this.#flags = init.flags
    this.#authtoken = init.authtoken
    this.#agent = init.agent
  }

  /** The session, as a Cookie header. */
  get cookie(): string {
    return this.visitor.cookieHeader(this.origin)
  }

  get port(): number {
    return this.processes.port
  }

  /** Ends the agent without a farewell. */
  async killAgent(): Promise<void> {
    this.#agent.kill('SIGKILL')
    await this.#agent.exited
  }

  async startAgent({ flags = this.#flags }: { flags?: readonly string[] } = {}): Promise<void> {
    const { process } = await this.processes.startAgent({
      authtoken: this.#authtoken,
      labels: ['edge=edg_app'],
      upstream: this.#upstream,
      name: `agent-${++this.#starts}`,
      flags,
    })
    this.#agent = process
  }

  close(): Promise<void> {
    return this.processes.close()
  }
}

/** Starts an app in the test's own process; returns its address. */
export async function listen(app: Server): Promise<string> {
  app.listen(0, '127.0.0.1')
  await once(app, 'listening')
  return `http://127.0.0.1:${(app.address() as AddressInfo).port}` // it listens on a port
}
