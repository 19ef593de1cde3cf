import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { ProtocolError } from '@sallyport/protocol'
import type { ControlMessageInput } from '@sallyport/protocol'

import { LivePolicy } from './live-policy.ts'
import type { AskingSession, PolicyRevision } from './live-policy.ts'

class FakeSession implements AskingSession {
  readonly changesPolicies: boolean
  readonly welcome = { relay_version: '0.0.9' }
  readonly asked: PolicyRevision[] = []

  constructor(changesPolicies = true) {
    this.changesPolicies = changesPolicies
  }

  askPolicy(_tunnelId: number, asked: PolicyRevision): void {
    this.asked.push(asked)
  }
}

function make(...sessions: FakeSession[]): { policy: LivePolicy; told: string[]; bind: () => unknown } {
  const told: string[] = []
  const binds = new Map<number, ControlMessageInput>([
    [1, { type: 'bind', tunnel_id: 1, url: '', forwards_to: 'http://localhost:1', policy: 'first' }],
  ])
  const policy = new LivePolicy({
    tunnelId: 1,
    binds,
    placeOf: () => 'first.yaml:1:1',
    sessions: () => sessions,
    tell: (_level, text) => told.push(text),
  })
  const bind = (): unknown => {
    const message = binds.get(1)
    return message?.type === 'bind' && [message.policy, message.policy_revision]
  }
  return { policy, told, bind }
}

const file = (policy: unknown): { policy: unknown; placeOf: () => string; source: string } => ({
  policy,
  placeOf: () => 'policy.yaml:1:1',
  source: 'policy.yaml',
})

describe('LivePolicy', () => {
  it('asks every session, and has later ones bind with the new policy only when it is in force', () => {
    const [one, two] = [new FakeSession(), new FakeSession()]
    const { policy, told, bind } = make(one, two)
    policy.change(file('first'))
    assert.deepEqual([one.asked, told], [[], []], 'nothing has changed')
    policy.change(file('second'))
    assert.deepEqual([one.asked.length, two.asked.length, bind()], [1, 1, ['first', undefined]])
    policy.hear(one, 1, 1)
    assert.deepEqual(bind(), ['first', undefined], 'it waits')
    policy.hear(one, 1, 0)
    policy.hear(two, 1, 0)
    assert.deepEqual(bind(), ['second', 1])
    assert.match(told.join('\n'), /^policy\.yaml has changed, but another agent .*\n.* in force now\.$/)
    // A session of a relay that has restarted.
    const late = new FakeSession()
    policy.hear(late, 0, 0)
    assert.equal(late.asked.at(-1)?.policy, 'second')
  })

  it('forgets a policy that is refused, and says why once', () => {
    const session = new FakeSession()
    const { policy, told, bind } = make(session, session)
    policy.change(file('wrong'))
    for (const asked of session.asked) policy.hearRefusal(session, asked, new ProtocolError('bind_invalid', 'so wrong'))
    assert.deepEqual([bind(), told.length], [['first', undefined], 1])
    assert.match(told[0] ?? '', /cannot be used.* policy\.yaml: so wrong$/)
    policy.change(file('right'))
    policy.hear(session, 2, 0)
    assert.deepEqual(bind(), ['right', 2])
  })

  it('asks for the newest policy once the answer to an older one has come', () => {
    const session = new FakeSession()
    const { policy, bind } = make(session)
    policy.change(file('second'))
    policy.change(file('third'))
    policy.hear(session, 1, 0)
    assert.deepEqual([session.asked.at(-1)?.policy, bind()], ['third', ['first', undefined]])
    policy.hearRefusal(session, session.asked[0]!, new ProtocolError('bind_invalid')) // asked first, as just seen
    policy.hear(session, 2, 0)
    assert.deepEqual(bind(), ['third', 2])
  })

  it('says that an older relay does not take it', () => {
    const { policy, told, bind } = make(new FakeSession(false), new FakeSession(false))
    policy.change(file('second'))
    assert.deepEqual(told, [
      'This relay (0.0.9) takes no policy while an agent runs. Restart the agent to have policy.yaml used.',
    ])
    assert.deepEqual(bind(), ['first', undefined])
  })

  it('binds with the wanted policy once other agents have agreed on it while this one was away', () => {
    const { policy, bind } = make(new FakeSession())
    const refused = new ProtocolError('bind_invalid', 'with another policy')
    assert.equal(policy.takesOther(refused), false, 'there is no other')
    policy.change(file('second'))
    assert.equal(policy.takesOther(new ProtocolError('authtoken_refused')), false)
    assert.equal(policy.takesOther(refused), true)
    assert.deepEqual(bind(), ['second', 1])
    assert.equal(policy.takesOther(refused), false, 'it is tried once')
  })
})
