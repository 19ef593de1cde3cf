// The first message of an agent in each session.

import { arch, hostname, platform, release } from 'node:os'

import { PROTOCOL_VERSION } from '@sallyport/protocol'

import { AGENT_VERSION } from '../agent-version.ts'
import type { SessionOptions } from './session.ts'

/** @param instanceId the same in all sessions of one agent process */
export function sayHello(instanceId: string, connectionIndex: number): SessionOptions['hello'] {
  return {
    type: 'hello',
    versions: [PROTOCOL_VERSION],
    instance_id: instanceId,
    connection_index: connectionIndex,
    capabilities: [],
    agent_version: AGENT_VERSION,
    os: `${platform()} ${release()} ${arch()}`.slice(0, 128),
    ...machine(),
  }
}

/** The relay's operator sees it, to know which machine to look at. */
function machine(): { machine?: string } {
  try {
    return { machine: hostname().slice(0, 255) }
  } catch {
    return {} // the system does not tell a name
  }
}
