// The first word of the agent's commands, as the agent shows them to people.

import { isStartedAsSallyport } from '@sallyport/protocol/started-as'

export const AGENT_COMMAND = isStartedAsSallyport() ? 'sallyport' : 'agent'
