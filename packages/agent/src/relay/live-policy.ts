// The policy of an endpoint, which its person may change while the agent runs.
//
//   in force ──change()──▶ wanted ──relay: bound──▶ in force
//                            ├──relay: other agents of the endpoint ask for another one──▶ waits, until it says bound
//                            └──relay: refused──▶ forgotten, with the reason for the person
// Every session asks for it. A session that opens later binds with the policy in force, which the relay still has, and
// asks then. No I/O, no clock.

import type { ControlMessageInput, ProtocolError } from '@sallyport/protocol'
import type { ConfigProblem } from '@sallyport/protocol/config-error'

import type { PolicyFile } from '../plan/policy-file.ts'
import { PolicyRefused } from './policy-refused.ts'

/** The policy after so many changes; 0 is the policy with which the agent was started. */
export interface PolicyRevision {
  readonly revision: number
  readonly policy: unknown
  readonly placeOf: PolicyFile['placeOf']
  /** The name of its file in messages. */
  readonly source: string
}

/** The part of a session that asks for policies. */
export interface AskingSession {
  readonly changesPolicies: boolean
  readonly welcome: { readonly relay_version: string } | undefined
  askPolicy(tunnelId: number, asked: PolicyRevision): void
}

export interface LivePolicyInit {
  tunnelId: number
  /** The messages with which later sessions bind; the one of this tunnel is replaced. */
  binds: Map<number, ControlMessageInput>
  /** Finds a path's place in the file of the policy with which the agent was started. */
  placeOf: PolicyFile['placeOf']
  sessions: () => readonly AskingSession[]
  /** @param level `well` is information that is shown only for a while */
  tell: (level: 'info' | 'warn' | 'well', text: string) => void
}

const PROBLEMS_SHOWN = 5

export class LivePolicy {
  readonly tunnelId: number
  readonly #init: LivePolicyInit
  #inForce: PolicyRevision
  #wanted: PolicyRevision
  #changes = 0
  /** The last message that the person was told. */
  #told = ''

  constructor(init: LivePolicyInit) {
    this.#init = init
    const { tunnelId, binds, placeOf } = init
    this.tunnelId = tunnelId
    const bind = binds.get(tunnelId)
    this.#inForce = { revision: 0, policy: bind?.type === 'bind' ? bind.policy : undefined, placeOf, source: '' }
    this.#wanted = this.#inForce
  }

  /** Finds a path's place in the file of the policy with which sessions bind. */
  get placeOf(): PolicyFile['placeOf'] {
    return this.#inForce.placeOf
  }

  /** Asks all sessions for another policy. */
  change({ policy, placeOf, source }: PolicyFile & { source: string }): void {
    if (isSame(policy, this.#wanted.policy)) {
      if (this.#told !== '') this.#tell('well', `The policy in ${source} is the one that was taken over before.`)
      this.#told = ''
      return
    }
    this.#wanted = { revision: ++this.#changes, policy, placeOf, source }
    for (const session of this.#init.sessions()) this.ask(session)
  }

  /** Tells the person that a changed policy is not used, and why. */
  keep(source: string, problems: readonly ConfigProblem[]): void {
    const reasons = problems.slice(0, PROBLEMS_SHOWN).map(({ path, message }) => `${path}: ${message}`)
    const more = problems.length > PROBLEMS_SHOWN ? [`And ${problems.length - PROBLEMS_SHOWN} more.`] : []
    const head = `${source} has changed and cannot be used, the policy from before stays in force.`
    this.#tell('warn', [head, ...reasons, ...more].join(' '))
  }

  /** Asks the relay of a session for the wanted policy, if that is not in force. */
  ask(session: AskingSession): void {
    if (this.#wanted === this.#inForce) return // it has bound with it
    const { source } = this.#wanted
    if (session.changesPolicies) return session.askPolicy(this.tunnelId, this.#wanted)
    const relay = `This relay (${session.welcome?.relay_version ?? 'an older one'})`
    this.#tell('warn', `${relay} takes no policy while an agent runs. Restart the agent to have ${source} used.`)
  }

  /** The relay reports the last policy that it knows from this agent, and how many other agents that one waits for. */
  hear(session: AskingSession, revision: number, waitsFor: number): void {
    if (revision < this.#wanted.revision) return session.askPolicy(this.tunnelId, this.#wanted)
    if (revision > this.#wanted.revision || this.#wanted === this.#inForce) return
    const { source } = this.#wanted
    if (waitsFor === 0) {
      this.#takeOver(this.#wanted)
      this.#tell('well', `${source} has changed, and its policy is in force now.`)
      this.#told = ''
      return
    }
    const others =
      waitsFor === 1
        ? 'another agent of this endpoint still asks'
        : `${waitsFor} other agents of this endpoint still ask`
    this.#tell(
      'warn',
      `${source} has changed, but ${others} for another policy. It waits until all of them have the same.`,
    )
  }

  /** The relay has refused a policy that a session asked for. */
  hearRefusal(session: AskingSession, asked: PolicyRevision, error: ProtocolError): void {
    if (this.#wanted !== asked) return this.ask(session)
    this.#wanted = this.#inForce
    const problems = error instanceof PolicyRefused ? error.problems : [{ path: asked.source, message: error.message }]
    this.keep(asked.source, problems)
  }

  /**
   * The relay has refused the policy in force for good. Other agents of the endpoint may have agreed on the wanted one
   * while this agent was away.
   * @returns whether there is another policy to try
   */
  takesOther({ code }: ProtocolError): boolean {
    if (code !== 'bind_invalid' || this.#wanted === this.#inForce) return false
    this.#takeOver(this.#wanted)
    return true
  }

  #takeOver(taken: PolicyRevision): void {
    const { binds } = this.#init
    this.#inForce = taken
    const bind = binds.get(this.tunnelId)
    const { policy, revision } = taken
    if (bind?.type === 'bind') binds.set(this.tunnelId, { ...bind, policy, policy_revision: revision })
  }

  /** Every connection reports it; the person needs to read it once. */
  #tell(level: 'warn' | 'well', text: string): void {
    if (text === this.#told) return
    this.#told = text
    this.#init.tell(level, text)
  }
}

/** The policies are plain values. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
